// SPDX-License-Identifier: Apache-2.0
// kvmtool: "lkvm run [--name NAME] [options] [KERNEL]", from builtin-run.c and the architectures'
// kvm-config-arch.h of August 2024. Its -n is --network, not the name. Without --name kvmtool calls
// the guest "guest-PID", which tells no more than our COMM-PID. Words after "--" are not its
// options.
#include "exporter/identity/vmm/vmms.h"

namespace kvmx {
namespace {

constexpr ProgramName kPrograms[] = {{"lkvm"}, {"lkvm-static"}, {"kvmtool"}};

// The options whose argument is the next word, even one that begins with '-'.
constexpr std::string_view kWithValue[] = {
    "-c",
    "-d",
    "-f",
    "-F",
    "-i",
    "-k",
    "-m",
    "-n",
    "-p",
    "--9p",
    "--console",
    "--cpus",
    "--debug-iodelay",
    "--dev",
    "--disk",
    "--dump-dtb",
    "--firmware",
    "--firmware-address",
    "--flash",
    "--hugetlbfs",
    "--initrd",
    "--irqchip",
    "--kaslr-seed",
    "--kernel",
    "--loglevel",
    "--mem",
    "--network",
    "--override-bad-firmware-cntfrq",
    "--params",
    "--sandbox",
    "--sve-max-vl",
    "--tty",
    "--vcpu-affinity",
    "--vfio-pci",
    "--vidmode",
    "--virtio-transport",
    "--vsock",
};

VmIdentity identify(Words args) {
  VmIdentity identity;
  for (std::size_t i = 0; i < args.size() && args[i] != "--"; ++i) {
    const std::string_view word = args[i];
    if (word == "--name" && i + 1 < args.size()) {
      identity.name = args[++i];
    } else if (word.starts_with("--name=")) {
      identity.name = word.substr(7);
    } else if (is_one_of(word, kWithValue)) {
      ++i;
    }
  }
  return identity;
}

}  // namespace

constinit const Vmm kKvmtool = {
    .name = "kvmtool",
    .programs = kPrograms,
    .identify = identify,
};

}  // namespace kvmx
