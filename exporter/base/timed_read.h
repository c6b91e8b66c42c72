// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <string>

#include "exporter/base/result.h"

namespace kvmx {

/// The first `limit` bytes of a file whose reading may never end. The kernel reads a process's
/// command line under a lock of its memory, and a process can have that kept for ever: by a page of
/// a file system of its own (FUSE), for which it does not answer. So another thread reads the file.
/// An error after half a second at most, and soon if that has often been needed of late; then the
/// thread is left to itself, and until it is done, it is an error to read this file again. So it is
/// to read any, while 16 threads are not done.
Result<std::string> read_file_in_time(const std::filesystem::path& path, std::size_t limit);

/// CPU time of all these threads so far.
std::chrono::nanoseconds timed_reads_cpu_time();

}  // namespace kvmx
