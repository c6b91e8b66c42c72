// SPDX-License-Identifier: Apache-2.0
// demo_pages DIRECTORY: the exporter's own pages of a made-up host, whose guests are diagnosed like
// real ones. Writes index.html, which is `/`, and vm.html, `/vm` of the guest that storms.
#include <algorithm>
#include <fstream>
#include <functional>
#include <memory>
#include <string>

#include "exporter/diagnosis/breakdown.h"
#include "exporter/web/pages/landing_page.h"
#include "exporter/web/pages/vm_page.h"
#include "tests/unit/diagnosis/simulated_host.h"

namespace kvmx {
namespace {

/// Of exits, MSRs and times between programmings, the host knows only what a finding needs.
VmBreakdown with_causes(VmBreakdown made) {
  const double exits = made.total[kExits];
  const double programs = made.total[kTimerPrograms];
  const double halts = std::min(made.total[kHalts], exits - programs);
  const double rest = exits - programs - halts;
  made.reasons.insert(made.reasons.end(), {{32, programs}, {12, halts}, {1, 0.6 * rest}});
  made.reasons[0].rate = 0.4 * rest;  // EPT_VIOLATION
  std::ranges::sort(made.reasons, std::ranges::greater(), &CodeRate::rate);
  made.msrs = {{0x6e0, programs}, {0x80b, 0.01 * programs}, {0x830, 0.004 * programs}};
  made.threads[static_cast<std::size_t>(ThreadKind::vcpu)] = made.total[kCpuTime];
  made.intervals = {{3, 0.02 * programs}, {4, 0.96 * programs}, {5, 0.02 * programs}};
  return made;
}

Vm vm_of(const SimulatedHost& host, std::uint32_t pid, const std::string& label,
         std::uint32_t vcpus) {
  Vm vm;
  vm.label = vm.identity.name = label;
  vm.identity.vmm = "qemu";
  vm.counts.key = {pid, 1, 0};
  vm.counts.isa = Isa::vmx;
  vm.counts.listed = vcpus;
  vm.counts.total.reasons = {{12, 100, 0}};  // exits are raised
  vm.diagnosis = host.diagnosis(pid);
  vm.diagnosis.breakdown = std::make_shared<VmBreakdown>(with_causes(*vm.diagnosis.breakdown));
  return vm;
}

Snapshot demo() {
  SimulatedHost host;
  Guest hpet =
      guest_of(4, {.programs = 14, .halts = 16, .halted = 0.99, .exits = 40, .exit_us = 2});
  hpet.lines = {{0, 2004}};
  host.run(5150, hpet);
  host.run(6021, guest_of(16, {.programs = 3000,
                               .halts = 3400,
                               .halted = 0.31,
                               .exits = 14200,
                               .exit_us = 1.5,
                               .cpu = 0.68,
                               .waits = 0.004}));
  host.run(7003, guest_of(8, {.programs = 310,
                              .halts = 420,
                              .halted = 0.55,
                              .exits = 1100,
                              .exit_us = 2,
                              .cpu = 0.17,
                              .waits = 0.002}));
  host.run(8844, guest_of(4, {.programs = 250,
                              .arms = 500,
                              .halts = 252,
                              .halted = 0.97,
                              .exits = 520,
                              .exit_us = 1.5,
                              .cpu = 0.01}));
  host.pass(2000);
  host.run(4242, guest_of(32, {.programs = 1036,
                               .arms = 2066,
                               .halts = 1032,
                               .halted = 0.944,
                               .exits = 2072,
                               .exit_us = 1.2,
                               .cpu = 0.02,
                               .waits = 0.001}));
  host.pass(2560);
  Snapshot made;
  made.vms = {vm_of(host, 4242, "ci-runner", 32), vm_of(host, 5150, "wiki", 4),
              vm_of(host, 6021, "db-1", 16), vm_of(host, 7003, "web-1", 8),
              vm_of(host, 8844, "build-cache", 4)};
  made.vms[0].identity.uuid = "4dea22b3-1d52-48f3-a516-782e98ab3fa0";
  made.vms[0].identity.project = "build";
  for (const char* const probe : {"kvm_exit", "kvm_entry", "kvm_msr", "kvm_hv_timer_state",
                                  "kvm_vcpu_wakeup", "kvm_userspace_exit", "kvm_set_irq"})
    made.probes.push_back({probe, true, 0});
  made.host.cpus = 64;
  made.host.isa = Isa::vmx;
  made.cpu_clock = CpuClock{.max_hertz = 3.5e9, .mean_hertz = 3.4e9, .limit_hertz = 3.5e9};
  made.slots.free = 4032;
  return made;
}

}  // namespace
}  // namespace kvmx

int main(int, char** arguments) {
  const std::string directory = arguments[1];
  const kvmx::Snapshot host = kvmx::demo();
  kvmx::Request request;
  request.method = "GET";
  request.path = "/vm";
  request.query = "name=ci-runner";
  std::ofstream(directory + "/index.html") << kvmx::landing_page(host, "/metrics", "on").body;
  std::ofstream(directory + "/vm.html") << kvmx::vm_page(host, request).body;
}
