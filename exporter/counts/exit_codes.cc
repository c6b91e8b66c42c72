// SPDX-License-Identifier: Apache-2.0
#include "exporter/counts/exit_codes.h"

#include <algorithm>
#include <cstddef>

#include "exporter/counts/load.h"
#include "exporter/kernel/reason_ids.h"
#include "exporter/names/exit_reasons.h"

namespace kvmx {

const DenseCodes& dense_codes(Isa isa) {
  static const auto of_each = [] {
    std::array<DenseCodes, 3> made;
    for (const Isa each : {Isa::other, Isa::vmx, Isa::svm})
      for (std::uint32_t id = 0; id < KVMX_DENSE_REASONS; ++id)
        made[static_cast<std::size_t>(each)][id] = dense_exit_code(each, id);
    return made;
  }();
  const auto place = static_cast<std::size_t>(isa);
  return of_each[place < of_each.size() ? place : 0];
}

std::optional<std::uint32_t> sparse_code(const vcpu_slot& slot, Isa isa, std::uint32_t id) {
  if (id == KVMX_REASON_OTHER) return std::nullopt;
  return basic_exit_code(isa, load(slot.reason_code[id - KVMX_DENSE_REASONS]));
}

void sort_reasons(std::vector<ReasonCount>& reasons) {
  const auto unordered = std::ranges::adjacent_find(
      reasons,
      [](const ReasonCount& one, const ReasonCount& next) { return one.code >= next.code; });
  if (unordered == reasons.end()) return;  // most ids are in the order of their codes
  std::ranges::sort(reasons, {}, &ReasonCount::code);
  std::size_t kept = 0;
  for (std::size_t i = 1; i < reasons.size(); ++i) {
    if (reasons[i].code == reasons[kept].code) {
      reasons[kept].exits += reasons[i].exits;
      reasons[kept].handling_ns += reasons[i].handling_ns;
    } else {
      reasons[++kept] = reasons[i];
    }
  }
  if (!reasons.empty()) reasons.resize(kept + 1);
}

}  // namespace kvmx
