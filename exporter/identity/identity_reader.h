// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>

#include "exporter/identity/proc.h"
#include "exporter/identity/vm_identity.h"

namespace kvmx {

/// Where a host tells who its VMs are. Other places for tests.
struct HostPaths {
  std::filesystem::path proc = "/proc";
  std::filesystem::path libvirt = "/run/libvirt";    ///< status files of running domains
  std::filesystem::path pod_logs = "/var/log/pods";  ///< a directory for each pod, by the kubelet
};

/// Reads who the VM of a process is: from its command line; from its control groups, which tell the
/// pod, and the name where the command line does not; from libvirt's status file; and from the
/// kubelet's directory of the pod. Only the first is always there; what is not readable is left
/// out.
class IdentityReader {
 public:
  explicit IdentityReader(const HostPaths& paths) : paths_(paths), proc_(paths.proc) {}

  /// What can be told of the process with this id now. Whether it is still the process that was
  /// meant is for the caller to find out afterwards.
  [[nodiscard]] VmIdentity read(std::uint32_t pid) const;

 private:
  void add_cgroup(std::uint32_t pid, VmIdentity& identity) const;
  void add_libvirt_status(std::uint32_t pid, VmIdentity& identity) const;
  void add_pod_name(VmIdentity& identity) const;

  HostPaths paths_;
  Proc proc_;
};

}  // namespace kvmx
