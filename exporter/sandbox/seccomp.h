// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exporter/base/result.h"

namespace kvmx {

/// Whom a process that is attached tells what it counts.
enum class Audience {
  clients,  ///< of its sockets
  terminal  ///< its own; it has no sockets
};

/// Leaves this process, all of its threads and for good, the system calls that it needs once it is
/// attached: to read files and maps, and to tell `audience`. No program can be run, no file be
/// opened for writing or removed, no socket be made, bound or connected, no BPF program be loaded,
/// nothing be traced, nobody else be signalled, nothing be typed into a terminal. What is refused
/// fails with EPERM, and shows in the kernel's log.
Result<void> restrict_system_calls(Audience audience);

}  // namespace kvmx
