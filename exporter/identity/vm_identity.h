// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace kvmx {

/// Who a VM is. Every field may be empty. Each is fit to be a label value: valid UTF-8 without
/// control characters, at most kMaxLabelBytes long.
struct VmIdentity {
  std::string name;            ///< what the VMM was told to call it: QEMU's -name, --name, ...
  std::string display_name;    ///< what its owner calls it: OpenStack's name, libvirt's title
  std::string uuid;            ///< canonical form, lower case
  std::string vmm;             ///< "qemu", "firecracker", ...: a name in vmm/vmms.h
  std::string id;              ///< Proxmox' VM number, Firecracker's --id, Kata's sandbox, ...
  std::string domain;          ///< libvirt's domain name, if libvirt started the process
  std::string kube_namespace;  ///< of its pod, which for KubeVirt is that of kube_name
  std::string kube_name;       ///< KubeVirt's VirtualMachineInstance
  std::string pod;             ///< name of the pod, or its UID where the name is not known
  std::string project;         ///< that owns it: OpenStack's project, OpenNebula's group
  std::string user;            ///< who owns it: OpenStack's or OpenNebula's user
  bool has_status = false;     ///< libvirt's status file of the domain was read
  bool refused = false;        ///< its command line was not read, which is not its fault

  bool operator==(const VmIdentity&) const = default;

  /// What to call the VM in the `vm` label; may be empty. A VM without a name, such as one of
  /// Kata's, is called after its pod, as KubeVirt would do it.
  [[nodiscard]] std::string title() const {
    if (!name.empty()) return name;
    return kube_namespace.empty() ? id : kube_namespace + "_" + pod;
  }
};

}  // namespace kvmx
