// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "exporter/exposition/label_cache.h"
#include "exporter/names/exit_reasons.h"
#include "exporter/snapshot/snapshot.h"

namespace kvmx {

/// The label `reason` of exits.
class ExitReasonLabels {
 public:
  const Labels& of(Isa isa, const ReasonCount& reason) {
    if (!reason.code) return other_;
    const std::uint64_t key = std::uint64_t{static_cast<std::uint8_t>(isa)} << 32U | *reason.code;
    return cache_.of(
        key, [&](Labels& labels) { labels.add("reason", exit_reason_name(isa, *reason.code)); });
  }

 private:
  const Labels other_{"reason", "other"};
  LabelCache<std::uint64_t> cache_;
};

}  // namespace kvmx
