// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>

#include "exporter/identity/cgroup.h"
#include "exporter/identity/proc.h"
#include "exporter/identity/vm_identity.h"

namespace kvmx {

/// Where a host keeps what says who its VMs are. Tests have other places.
struct HostPaths {
  std::filesystem::path proc = "/proc";
  std::filesystem::path libvirt = "/run/libvirt";    ///< status files of running domains
  std::filesystem::path pod_logs = "/var/log/pods";  ///< a directory for each pod, by the kubelet
  /// Copies of both, as "libvirt" and "pods", that root makes for an exporter which is not root.
  std::filesystem::path names = "/run/kvm-exit-exporter-names";
};

/// Reads who the VM of a process is, from:
///   - its command line, with the name of its executable
///   - its control groups: the pod, the container, and the name where the command line has none
///   - libvirt's status file of the domain
///   - the kubelet's directory of the pod, which has its name and namespace
/// Only the first is always there. What cannot be read is left out.
class IdentityReader {
 public:
  explicit IdentityReader(const HostPaths& paths) : paths_(paths), proc_(paths.proc) {}

  /// What is known now of the process with this id. The caller has to find out afterwards whether
  /// it still is the process that was meant.
  [[nodiscard]] VmIdentity read(std::uint32_t pid) const;

  /// Name of the process. Empty if it cannot be read.
  [[nodiscard]] std::string read_comm(std::uint32_t pid) const {
    return proc_.read_comm(pid).value_or("");
  }

 private:
  [[nodiscard]] VmIdentity read_command_line(std::uint32_t pid) const;
  void add_cgroup(std::uint32_t pid, VmIdentity& identity) const;
  void add_cgroups_of_threads(std::uint32_t pid, CgroupIdentity& cgroup) const;
  void add_libvirt_status(std::uint32_t pid, VmIdentity& identity) const;

  HostPaths paths_;
  Proc proc_;
};

}  // namespace kvmx
