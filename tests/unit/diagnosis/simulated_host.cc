// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/diagnosis/simulated_host.h"

#include <algorithm>

#include "exporter/counts/sum_counts.h"

namespace kvmx {
namespace {

std::uint64_t whole(double value) { return static_cast<std::uint64_t>(value); }

void add(std::vector<CodeCounter>& codes, std::uint32_t code, double count, double ns) {
  const auto at = std::ranges::lower_bound(codes, code, {}, &CodeCounter::code);
  if (at != codes.end() && at->code == code) {
    at->count += whole(count);
    at->ns += whole(ns);
  } else if (count > 0) {
    codes.insert(at, {code, whole(count), whole(ns)});
  }
}

void add(VcpuCounters& counters, const Doing& doing, double seconds) {
  counters.exits += whole(doing.exits * seconds);
  counters.exit_ns += whole(doing.exits * doing.exit_us * 1e3 * seconds);
  counters.timer_programs += whole(doing.programs * seconds);
  counters.timer_arms_sw += whole(doing.arms / 2 * seconds);
  counters.timer_arms_hv += whole(doing.arms * seconds);
  counters.halts += whole(doing.halts * seconds);
  counters.halt_ns += whole(doing.halted * 1e9 * seconds);
  counters.poll_ns += whole(doing.polled * 1e9 * seconds);
  counters.msr_accesses += whole(doing.msr * seconds);
  counters.userspace_exits += whole(doing.userspace_exits * seconds);
  counters.userspace_ns += whole(doing.userspace_exits * doing.vmm_us * 1e3 * seconds);
  counters.cpu_ns += whole(doing.cpu * 1e9 * seconds);
  counters.run_delay_ns += whole(doing.waits * 1e9 * seconds);
}

}  // namespace

Guest guest_of(std::size_t vcpus, const Doing& doing) {
  Guest guest;
  guest.vcpus.assign(vcpus, doing);
  return guest;
}

Guest shared_by(std::size_t vcpus, const Doing& doing) {
  Doing each = doing;
  const auto share = static_cast<double>(vcpus);
  for (double Doing::*const rate :
       {&Doing::programs, &Doing::arms, &Doing::halts, &Doing::halted, &Doing::polled,
        &Doing::exits, &Doing::msr, &Doing::userspace_exits, &Doing::cpu, &Doing::waits})
    each.*rate /= share;
  return guest_of(vcpus, each);
}

void SimulatedHost::forget(std::uint32_t pid) {
  guests_.erase(pid);
  counts_.erase(pid);
  ended_.erase(pid);
}

void SimulatedHost::count(std::uint32_t pid, const Guest& guest, double seconds) {
  VmCounters& counts = counts_[pid];
  counts.key = {pid, 1, 0};
  counts.isa = guest.isa;
  counts.ended = ended_.contains(pid);
  const std::size_t known = guest.unknown_vcpus ? 1 : guest.vcpus.size();
  counts.vcpus.resize(std::max(known, counts.vcpus.size()));
  if (counts.ended) return;
  for (const auto& [gsi, changes] : guest.lines) {
    add(counts.lines, gsi, changes * seconds, 0);
    counts.threads_ns[static_cast<std::size_t>(ThreadKind::vmm)] += whole(changes * 40e3 * seconds);
  }
  for (const TopPlace& place : guest.places) {
    IoCount io{place.space, place.address, {}};
    io.accesses[place.write ? KVMX_WRITE : KVMX_READ] = whole(place.rate * seconds);
    add(counts.io, io);
  }
  for (std::size_t i = 0; i < guest.vcpus.size(); ++i) {
    const Doing& doing = guest.vcpus[i];
    VcpuCounters& counters = counts.vcpus[guest.unknown_vcpus ? 0 : i];
    if (!guest.unknown_vcpus) counters.id = static_cast<std::uint32_t>(i);
    add(counters, doing, seconds);
    add(counts.msrs, doing.msr_index, doing.msr * seconds, 0);
    add(counts.reasons, doing.reason, doing.exits * seconds,
        doing.exits * doing.exit_us * 1e3 * seconds);
    add(counts.userspace_exits, doing.vmm_reason, doing.userspace_exits * seconds, 0);
  }
}

void SimulatedHost::pass(double seconds, double step) {
  for (double passed = 0; passed < seconds - 1e-9; passed += step) {
    now_ns_ += whole(step * 1e9);
    std::vector<VmCounters> vms;
    for (const auto& [pid, guest] : guests_) {
      count(pid, guest, step);
      vms.push_back(counts_[pid]);
    }
    diagnosis_.observe(vms, facts_, now_ns_);
  }
}

const VmDiagnosis& SimulatedHost::diagnosis(std::uint32_t pid) const {
  static const VmDiagnosis kNone;
  const VmDiagnosis* const found = find_diagnosis(diagnosis_.diagnoses(), {pid, 1, 0});
  return found ? *found : kNone;
}

std::set<std::string> SimulatedHost::findings(std::uint32_t pid) const {
  std::set<std::string> names;
  for (const Finding& finding : diagnosis(pid).findings) names.emplace(finding_name(finding.kind));
  return names;
}

const Finding* SimulatedHost::finding(std::uint32_t pid, FindingKind kind) const {
  for (const Finding& finding : diagnosis(pid).findings)
    if (finding.kind == kind) return &finding;
  return nullptr;
}

double SimulatedHost::held(std::uint32_t pid, FindingKind kind) const {
  return static_cast<double>(diagnosis(pid).held_ns[static_cast<std::size_t>(kind)]) / 1e9;
}

}  // namespace kvmx
