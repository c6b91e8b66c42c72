// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace kvmx {

/// What came of a read_file_in_time().
struct TimedRead {
  std::optional<std::string> content{};  ///< nothing if the file cannot be read, or not in time
  bool refused = false;  ///< it was not tried for want of room, or for too short a time
};

/// The first `limit` bytes of a file whose reading may never end. The kernel reads a process's
/// command line under a lock of its memory, and a process can have that kept for ever: by a page of
/// a file system of its own (FUSE), for which it does not answer. So another thread reads the file.
/// It has half a second at most, and little if that has often been needed of late; then the thread
/// is left to itself, and until it is done the file is not read again.
///
/// There is room for 256 such threads. The files of one `owner` (asked for where it matters) take
/// no more than half of what those of others leave, so nobody keeps another's from being read.
TimedRead read_file_in_time(const std::filesystem::path& path, std::size_t limit,
                            const std::function<std::uint64_t()>& owner);

/// CPU time of all these threads so far.
std::chrono::nanoseconds timed_reads_cpu_time();

}  // namespace kvmx
