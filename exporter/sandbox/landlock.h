// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <vector>

#include "exporter/base/result.h"
#include "exporter/base/unique_fd.h"

namespace kvmx {

/// The version of Landlock that the kernel has,
/// https://docs.kernel.org/userspace-api/landlock.html; 0 if it has none, or it is not switched on.
/// 1 knows files, 4 TCP, 6 signals and abstract sockets.
int landlock_version();

/// Opens paths for restrict_files(), so that it needs to look none of them up. Those that do not
/// exist are left out.
std::vector<UniqueFd> open_paths(const std::vector<std::filesystem::path>& paths);

/// Leaves this thread, and those that it will make, for good: to read what is beneath `readable`
/// and `also`. No other file can be opened, none be made or removed, no TCP port be bound or
/// connected to, no process outside be signalled, no abstract unix socket be connected to; each as
/// far as the kernel's version of Landlock goes. A path that does not exist is left out. Where
/// there is no Landlock nothing is done, and that is no error.
Result<void> restrict_files(const std::vector<std::filesystem::path>& readable,
                            const std::vector<UniqueFd>& also = {});

struct ReadablePaths {
  std::vector<std::filesystem::path> paths;
  std::vector<std::filesystem::path> fixed;  ///< files that cannot be read once they are replaced
};

/// `files`, and what else an exporter reads. Landlock knows a file by its inode: one that is
/// replaced by another of its name, as editors and Kubernetes do, can be read only if its directory
/// can. So it can if that is there for the file, or holds nothing but files, neither hidden ones
/// nor directories. Of any other directory, such as a home, only the file as it is now can be read.
/// What a link leads to counts as well as where it is.
ReadablePaths readable_paths(const std::vector<std::filesystem::path>& files);

}  // namespace kvmx
