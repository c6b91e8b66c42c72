// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace kvmx {

/// Who the VM of a process is, as far as the names of the process's control groups tell. Every
/// field may be empty; they are raw (see label_value()).
struct CgroupIdentity {
  std::string pod_uid;  ///< of the Kubernetes pod: a UUID, or 32 hex digits for a static pod
  std::string machine;  ///< systemd's name of the VM, libvirt's "qemu-5-" taken off
  std::string id;       ///< Proxmox VE's number of the VM, else the container's id or name

  bool operator==(const CgroupIdentity&) const = default;
};

/// Reads the content of /proc/PID/cgroup (cgroups(7)), v1, v2 or both: lines of
/// "ID:CONTROLLERS:PATH". Pure; any input is fine. Paths may be relative to the reader's cgroup
/// namespace ("/../../x").
///
/// A process that may make groups below its own can call them what it likes. So only the outermost
/// group that says something counts, because the host's own services made that one. Groups below
/// user.slice do not count.
CgroupIdentity parse_cgroup(std::string_view text);

/// Whether threads of the process may be in other groups than `text`, those of the process. In
/// cgroup v1 any thread may be in a group of its own. In v2 a thread cannot leave the groups of its
/// process that tell a pod.
bool threads_may_differ(std::string_view text);

}  // namespace kvmx
