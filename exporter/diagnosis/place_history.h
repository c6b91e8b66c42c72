// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "exporter/diagnosis/breakdown.h"
#include "exporter/diagnosis/counters.h"

namespace kvmx {

/// The last ten seconds of a VM's accesses to ports and pages: 120 bytes for each of these, of
/// which a guest uses some ten. As with causes (CodeHistory), the low 32 bits of a counter are
/// enough.
class PlaceHistory {
 public:
  /// To be called each round, with counters by space and address.
  void record(std::span<const IoCount> io, std::uint64_t round);

  /// What was accessed between two rounds that have been recorded, `seconds` apart; most frequent
  /// first.
  [[nodiscard]] std::vector<PlaceRate> rates(std::uint64_t from, std::uint64_t to,
                                             double seconds) const;

 private:
  using Counts = std::array<std::uint32_t, KVMX_OPS>;
  struct Row {
    IoSpace space = IoSpace::port;
    std::optional<std::uint64_t> address;
    std::uint64_t seen = 0;  ///< the last round in which it was counted
    std::array<Counts, kRounds> counts{};
  };

  std::vector<Row> rows_;
};

}  // namespace kvmx
