// SPDX-License-Identifier: Apache-2.0
// Names of VMs that are only in the paths of their sockets and configuration files.
#pragma once

#include <string_view>

namespace kvmx {

/// What the path of a VM's own socket or file calls the VM: the file's name without its extension,
/// or the nearest directory above it that says more than "run" or "api". Empty if none does:
///   /run/x/web.sock                                  web
///   /run/vc/vm/SANDBOX/clh-api.sock                  SANDBOX
///   /srv/jail/VM/root/run/firecracker.socket         VM
///   /tmp/firecracker.socket                          (nothing)
std::string_view name_in_path(std::string_view path);

}  // namespace kvmx
