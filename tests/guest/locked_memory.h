// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

namespace kvmx::tricks {

/// Calls `act` while a lock of this process's memory is kept, so that whoever reads its command
/// line waits. For that it mounts a file system of its own (FUSE) in a mount namespace of its own,
/// in which a file never answers a read until `act` is over. Returns false, with a word on stderr,
/// if that cannot be done.
bool with_locked_memory(const std::function<void()>& act);

}  // namespace kvmx::tricks
