// SPDX-License-Identifier: Apache-2.0
// kvmtool: "lkvm run [--name NAME] ..." (builtin-run.c, 2024). Its -n is --network, not the name.
// Without --name kvmtool calls the guest "guest-PID", which tells no more than our COMM-PID.
#include <algorithm>
#include <iterator>

#include "exporter/identity/vmm/vmms.h"

namespace kvmx {
namespace {

// The options whose value is the next word.
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
    "--firmware",
    "--flash",
    "--hugetlbfs",
    "--initrd",
    "--kernel",
    "--loglevel",
    "--mem",
    "--network",
    "--params",
    "--sandbox",
    "--tty",
    "--vfio-pci",
    "--vidmode",
    "--virtio-transport",
    "--vsock",
};

}  // namespace

bool runs_kvmtool(std::string_view program) {
  return program == "lkvm" || program == "lkvm-static" || program == "kvmtool";
}

VmIdentity identify_kvmtool(Words args) {
  VmIdentity identity;
  identity.vmm = "kvmtool";
  for (std::size_t i = 0; i < args.size() && args[i] != "--"; ++i) {
    const std::string_view word = args[i];
    if (word == "--name" && i + 1 < args.size()) {
      identity.name = args[++i];
    } else if (word.starts_with("--name=")) {
      identity.name = word.substr(7);
    } else if (std::find(std::begin(kWithValue), std::end(kWithValue), word) !=
               std::end(kWithValue)) {
      ++i;
    }
  }
  return identity;
}

}  // namespace kvmx
