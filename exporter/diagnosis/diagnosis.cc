// SPDX-License-Identifier: Apache-2.0
#include "exporter/diagnosis/diagnosis.h"

#include <algorithm>
#include <utility>

#include "exporter/diagnosis/rules.h"
#include "exporter/diagnosis/thresholds.h"

namespace kvmx {

const VmDiagnosis* find_diagnosis(const Diagnoses& diagnoses, const VmKey& key) {
  const auto at = std::ranges::lower_bound(diagnoses, key, {}, &VmDiagnosis::key);
  return at != diagnoses.end() && at->key == key ? &*at : nullptr;
}

bool Diagnosis::due(std::uint64_t now_ns) const {
  const std::uint64_t last = times_.time_ns(times_.current());
  return now_ns < last || now_ns - last >= threshold::kShortestRoundNs;
}

/// Gives each VM its place, the histories of those that are known kept.
void Diagnosis::match_vms(std::span<const VmCounters> vms) {
  const auto key_of = [](const Vm& vm) { return vm.history.key(); };
  if (std::ranges::equal(vms_, vms, {}, key_of, &VmCounters::key)) return;
  std::vector<Vm> matched;
  matched.reserve(vms.size());
  auto old = vms_.begin();
  for (const VmCounters& vm : vms) {
    while (old != vms_.end() && key_of(*old) < vm.key) ++old;
    if (old != vms_.end() && key_of(*old) == vm.key) {
      matched.push_back(std::move(*old));
      ++old;
    } else {
      matched.push_back(Vm{VmHistory(vm.key)});
    }
  }
  vms_ = std::move(matched);
}

void Diagnosis::observe(std::span<const VmCounters> vms, const HostFacts& host,
                        std::uint64_t now_ns) {
  times_.begin(now_ns);
  match_vms(vms);
  diagnoses_.clear();
  diagnoses_.reserve(vms.size());
  for (std::size_t i = 0; i < vms.size(); ++i) {
    if (vms[i].ended) {
      vms_[i].history = VmHistory(vms[i].key);
      vms_[i].since_ns = {};
      diagnoses_.push_back({.key = vms[i].key, .findings = {}, .held_ns = vms_[i].held_ns});
      continue;
    }
    vms_[i].history.record(vms[i], times_, host);
    diagnoses_.push_back(look(vms_[i], host));
  }
}

VmDiagnosis Diagnosis::look(Vm& vm, const HostFacts& host) const {
  VmDiagnosis made{.key = vm.history.key()};
  const std::uint64_t now = times_.time_ns(times_.current());
  if (const std::optional<VmWindow> window = vm.history.window(times_, host)) {
    made.findings = diagnose(*window, host);
    made.tick_hertz = window->running.empty() ? 0 : tick_of(*window).hertz;
    made.vcpus_running = window->running.size();
    made.breakdown = vm.history.breakdown(times_, host);
  }
  std::array<bool, kFindingKinds> holds{};
  for (Finding& finding : made.findings) {
    const auto kind = static_cast<std::size_t>(finding.kind);
    holds[kind] = true;
    // It holds for the time since the last round. A window goes back to an earlier one.
    const std::uint64_t last = times_.time_ns(times_.current() - 1);
    if (vm.since_ns[kind] == 0) vm.since_ns[kind] = last;
    vm.held_ns[kind] += now - last;
    finding.held_seconds = static_cast<double>(now - vm.since_ns[kind]) / 1e9;
  }
  for (std::size_t kind = 0; kind < kFindingKinds; ++kind)
    if (!holds[kind]) vm.since_ns[kind] = 0;
  made.held_ns = vm.held_ns;
  return made;
}

}  // namespace kvmx
