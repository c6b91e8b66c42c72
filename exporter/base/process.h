// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace kvmx {

/// This process, in the terms of Prometheus's standard process_* metrics.
struct ProcessStats {
  double cpu_seconds = 0;         ///< user and system
  double start_time_seconds = 0;  ///< since the epoch
  double resident_bytes = 0;
  double virtual_bytes = 0;
  double open_fds = 0;
  double max_fds = 0;
};

/// Fields of /proc/PID/stat, and of /proc/PID/task/TID/stat.
struct StatFields {
  std::uint64_t cpu_ticks = 0;    ///< utime + stime
  std::uint64_t start_ticks = 0;  ///< since boot
  std::uint64_t virtual_bytes = 0;
  std::uint64_t resident_pages = 0;
  std::uint64_t flags = 0;  ///< PF_... of the kernel's include/linux/sched.h
  std::string_view comm{};  ///< part of the text that was parsed
};

/// Parses the content of /proc/PID/stat (proc(5)); nothing if it is malformed. The second field is
/// a name in parentheses that may hold anything.
std::optional<StatFields> parse_stat(std::string_view stat);

/// Reads /proc/self. Nothing if it cannot be read.
std::optional<ProcessStats> read_process();

}  // namespace kvmx
