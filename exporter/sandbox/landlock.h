// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <vector>

#include "exporter/base/result.h"

namespace kvmx {

/// The version of Landlock that the kernel has,
/// https://docs.kernel.org/userspace-api/landlock.html; 0 if it has none, or it is not switched on.
/// 1 knows files, 4 TCP, 6 signals and abstract sockets.
int landlock_version();

/// Leaves this thread, and those that it will make, for good: to read what is beneath `readable`.
/// No other file can be opened, none be made or removed, no TCP port be bound or connected to, no
/// process outside be signalled, no abstract unix socket be connected to; each as far as the
/// kernel's version of Landlock goes. A path that does not exist is left out. Where there is no
/// Landlock nothing is done, and that is no error.
Result<void> restrict_files(const std::vector<std::filesystem::path>& readable);

/// What an exporter reads besides `files`, of which each may be replaced by another of its name,
/// or be a link to elsewhere: so these paths have the directories that they are in.
std::vector<std::filesystem::path> readable_paths(const std::vector<std::filesystem::path>& files);

}  // namespace kvmx
