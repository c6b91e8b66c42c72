// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "exporter/diagnosis/breakdown.h"
#include "exporter/diagnosis/counters.h"

namespace kvmx {

/// The last ten seconds of a VM's counters by cause: 52 bytes a cause, of which a guest has some
/// 40. As with vCPUs, the low 32 bits of a counter are enough.
class CodeHistory {
 public:
  /// To be called each round, with counters by code.
  void record(std::span<const CodeCounter> counters, std::uint64_t round);

  /// What was counted between two rounds that have been recorded, `seconds` apart; by code. What
  /// was not counted in between is left out, and so is a counter that stepped back.
  [[nodiscard]] std::vector<CodeRate> rates(std::uint64_t from, std::uint64_t to,
                                            double seconds) const;

 private:
  struct Row {
    std::uint32_t code = 0;
    std::uint32_t seen = 0;  ///< the last round in which it was counted, its low bits
    std::array<std::uint32_t, kRounds> counts{};
  };

  std::vector<Row> rows_;  ///< by code
};

}  // namespace kvmx
