// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace kvmx {

/// Who the VM of a process is, as far as the names of the process's control groups tell. Every
/// field may be empty; they are raw (see label_value()).
struct CgroupIdentity {
  std::string pod_uid;  ///< of the Kubernetes pod: a UUID, or 32 hex digits for a static pod
  std::string machine;  ///< the name systemd-machined has for the VM, libvirt's "qemu-5-" taken off
  std::string id;       ///< Proxmox VE's number of the VM, else the container's id or name

  bool operator==(const CgroupIdentity&) const = default;
};

/// Reads the content of /proc/PID/cgroup (cgroups(7)), v1, v2 or both: lines of
/// "ID:CONTROLLERS:PATH". Pure; any input is fine. Paths may be relative to the reader's cgroup
/// namespace ("/../../x").
///
/// A process that may make groups below its own can call them what it likes. So the outermost group
/// that says something is believed, which is one that the host's own services made; and nothing
/// below user.slice is.
CgroupIdentity parse_cgroup(std::string_view text);

}  // namespace kvmx
