// SPDX-License-Identifier: Apache-2.0
// The table of VMMs. vmms.h has the recipe to add one.
#include "exporter/identity/vmm/vmms.h"

namespace kvmx {
namespace {

struct Vmm {
  bool (*runs)(std::string_view program);
  VmIdentity (*identify)(Words args);
};

constexpr Vmm kVmms[] = {
    {runs_qemu, identify_qemu},
    {runs_firecracker, identify_firecracker},
    {runs_cloud_hypervisor, identify_cloud_hypervisor},
    {runs_crosvm, identify_crosvm},
    {runs_kvmtool, identify_kvmtool},
    {runs_dragonball, identify_dragonball},
};

}  // namespace

std::optional<VmIdentity> identify_vmm(std::string_view program, Words args) {
  for (const Vmm& vmm : kVmms)
    if (vmm.runs(program)) return vmm.identify(args);
  if (auto alike = identify_qemu_alike(program, args)) return alike;
  return identify_firecracker_alike(args);
}

}  // namespace kvmx
