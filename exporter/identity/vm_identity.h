// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace kvmx {

/// Who a VM is, as far as the command line of its process tells. Every field may be empty. As made
/// by identify(), each is fit to be a label value: valid UTF-8 without control characters, at most
/// kMaxLabelBytes long.
struct VmIdentity {
  std::string name;            ///< what the VMM was told to call it: QEMU's -name, --name, ...
  std::string uuid;            ///< canonical form, lower case
  std::string vmm;             ///< "qemu", "firecracker", ...; never empty from identify()
  std::string id;              ///< Proxmox' VM number, Firecracker's --id, ...
  std::string domain;          ///< libvirt's domain name, if libvirt started the process
  std::string kube_namespace;  ///< KubeVirt: namespace and name of the VirtualMachineInstance
  std::string kube_name;

  bool operator==(const VmIdentity&) const = default;

  /// What to call the VM in the `vm` label: its name, else its id; may be empty.
  [[nodiscard]] const std::string& title() const { return name.empty() ? id : name; }
};

}  // namespace kvmx
