// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exporter/base/result.h"

namespace kvmx {

/// Leaves this process, all of its threads and for good, the system calls that an exporter needs
/// once it is attached: to read files, maps and sockets, and to answer. No program can be run, no
/// file be opened for writing or removed, no socket be made, bound or connected, no BPF program be
/// loaded, nothing be traced, nobody else be signalled. What is refused fails with EPERM, and shows
/// in the kernel's log.
Result<void> restrict_system_calls();

}  // namespace kvmx
