// SPDX-License-Identifier: Apache-2.0
// crosvm: "crosvm [options] run [--name NAME] [--socket PATH] [options] KERNEL", from
// src/crosvm/cmdline.rs and src/main.rs of August 2026. "--option=value" is split before anything
// else. An option with an argument takes the next word, even one that begins with '-'; crosvm
// refuses options that it does not know. Cuttlefish gives no name, but a socket
// ".../instances/cvd-1/internal/crosvm_control.sock".
#include "exporter/identity/vmm/name_in_path.h"
#include "exporter/identity/vmm/vmms.h"

namespace kvmx {
namespace {

constexpr ProgramName kPrograms[] = {{"crosvm"}};

// The options without an argument, before "run" and after it. The last two are of 2021 to 2023.
constexpr std::string_view kFlags[] = {
    "--extended-status",
    "--no-syslog",
    "--balloon-page-reporting",
    "--balloon-ws-reporting",
    "--break-linux-pci-config-io",
    "--delay-rt",
    "--disable-sandbox",
    "--disable-virtio-intx",
    "--display-window-mouse",
    "--enable-fw-cfg",
    "--enable-hwp",
    "--exit-stats",
    "--force-calibrated-tsc-leaf",
    "--force-disable-readonly-mem",
    "--host-cpu-topology",
    "--hugepages",
    "--itmt",
    "--lock-guest-memory",
    "--mte",
    "--no-balloon",
    "--no-i8042",
    "--no-pmu",
    "--no-rng",
    "--no-rtc",
    "--no-smt",
    "--no-usb",
    "--per-vm-core-scheduling",
    "--protected-vm",
    "--pstore",
    "--pvclock",
    "--simple-media-device",
    "--smccc-trng",
    "--split-irqchip",
    "--suspended",
    "--suspended-vcpus",
    "--unmap-guest-memory-on-fork",
    "--vfio-isolate-hotplug",
    "--vfio-platform-pm",
    "--vhost-net",
    "--vhost-scmi",
    "--virt-cpufreq",
    "--virt-cpufreq-upstream",
    "--vtpm-proxy",
    "--seccomp-log-failures",
    "--strict-balloon",
};

void read_option(std::string_view option, std::string_view value, VmIdentity& identity) {
  if (option == "--name") identity.name = value;
  if (option == "--socket" || option == "-s") identity.id = name_in_path(value);
}

VmIdentity identify(Words args) {
  VmIdentity identity;
  bool in_run = false;
  for (std::size_t i = 0; i < args.size(); ++i) {
    const std::string_view word = args[i];
    if (!word.starts_with('-')) {
      // Before "run" stands no other word; after it, the kernel.
      if (!in_run && word != "run") return identity;
      in_run = true;
    } else if (const std::size_t equals = word.find('='); equals != word.npos) {
      if (in_run) read_option(word.substr(0, equals), word.substr(equals + 1), identity);
    } else if (!is_one_of(word, kFlags) && i + 1 < args.size()) {
      ++i;
      if (in_run) read_option(word, args[i], identity);
    }
  }
  return identity;
}

}  // namespace

constinit const Vmm kCrosvm = {
    .name = "crosvm",
    .programs = kPrograms,
    .identify = identify,
};

}  // namespace kvmx
