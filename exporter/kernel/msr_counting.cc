// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/msr_counting.h"

#include <algorithm>
#include <string>

#include "exporter/base/file.h"

namespace kvmx {
namespace {

constexpr struct {
  const char* parameter;
  const char* value;
} kNeedEvent[] = {
    // Encrypted guests: their registers do not tell of a fault, and those of a TD not of the MSR.
    {"kvm_amd/parameters/sev_es", "Y"},
    {"kvm_intel/parameters/tdx", "Y"},
    // KVM emulates the guest's instructions while that is in real mode.
    {"kvm_intel/parameters/unrestricted_guest", "N"},
};

}  // namespace

bool need_msr_event() {
  return std::ranges::any_of(kNeedEvent, [](const auto& known) {
    return read_line(std::string("/sys/module/") + known.parameter).value_or("") == known.value;
  });
}

MsrCounting msr_counting(const Features& features, const EventSelection& selection, Isa isa) {
  const bool at_entry = features.source(Event::exit) == Source::tp_btf && isa != Isa::other &&
                        features.reflections != Source::absent && !features.msr_event_needed &&
                        selection.has(Event::exit) && selection.has(Event::entry) &&
                        selection.has(Event::msr);
  return at_entry ? MsrCounting::entry : MsrCounting::event;
}

}  // namespace kvmx
