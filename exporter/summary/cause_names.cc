// SPDX-License-Identifier: Apache-2.0
#include "exporter/summary/cause_names.h"

#include "exporter/diagnosis/counters.h"
#include "exporter/diagnosis/words.h"
#include "exporter/names/exit_reasons.h"
#include "exporter/names/hex.h"
#include "exporter/names/msr.h"

namespace kvmx::cause_names {

std::string reason(Isa isa, std::uint32_t code) {
  return code == CodeCounter::kOther ? "other" : exit_reason_name(isa, code);
}

std::string msr(std::uint32_t index) {
  if (index == CodeCounter::kOther) return "other";
  const std::string_view name = msr_name(index);
  return name.empty() ? hex(index) : std::string(name);
}

std::string userspace_exit(std::uint32_t id) { return words::userspace_exit(id); }

}  // namespace kvmx::cause_names
