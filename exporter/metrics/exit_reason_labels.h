// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "exporter/exposition/label_cache.h"
#include "exporter/names/exit_reasons.h"
#include "exporter/snapshot/snapshot.h"

namespace kvmx {

/// The label `reason` of exits.
class ExitReasonLabels {
 public:
  std::string_view text(Isa isa, const ReasonCount& reason) {
    if (!reason.code) return R"(reason="other")";
    const std::uint64_t key = std::uint64_t{static_cast<std::uint8_t>(isa)} << 32U | *reason.code;
    return cache_.text(
        key, [&](Labels& labels) { labels.add("reason", exit_reason_name(isa, *reason.code)); });
  }

 private:
  LabelCache<std::uint64_t> cache_;
};

}  // namespace kvmx
