// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "exporter/base/timed_read.h"

namespace kvmx {

/// Reads what identity needs of /proc/PID. Each read returns nothing when there is nothing to read,
/// usually because the process has ended, which is no error and may happen between any two calls.
/// If read_start_ticks() returns the same before and after, the reads between are of one process.
class Proc {
 public:
  /// `root`: the mount point of procfs, or a directory of that shape for tests.
  explicit Proc(std::filesystem::path root = "/proc") : root_(std::move(root)) {}

  /// The command line as identify() takes it, its first MiB. Empty for a zombie. Nothing, too, if
  /// its process keeps it from being read in time, and refused if too many of its user do.
  [[nodiscard]] TimedRead read_cmdline(std::uint32_t pid) const;

  /// The user whose process it is, also of one that hides it from the owners of its files. 0 if
  /// that cannot be read.
  [[nodiscard]] std::uint32_t read_user(std::uint32_t pid) const;

  /// The control groups as parse_cgroup() takes them.
  [[nodiscard]] std::optional<std::string> read_cgroup(std::uint32_t pid) const;

  /// The control groups of a thread of the process.
  [[nodiscard]] std::optional<std::string> read_cgroup(std::uint32_t pid, std::uint32_t tid) const;

  /// Ids of the threads of the process, at most `limit` of them.
  [[nodiscard]] std::vector<std::uint32_t> read_threads(std::uint32_t pid, std::size_t limit) const;

  /// Path of the executable, or what is left of it ("... (deleted)"). Only the owner of the process
  /// and root can read it.
  [[nodiscard]] std::optional<std::string> read_executable(std::uint32_t pid) const;

  /// The name of the process: at most 15 bytes, any bytes (see label_value()).
  [[nodiscard]] std::optional<std::string> read_comm(std::uint32_t pid) const;

  /// When the process started: ticks of 1 / sysconf(_SC_CLK_TCK) s since boot (CLOCK_BOOTTIME).
  [[nodiscard]] std::optional<std::uint64_t> read_start_ticks(std::uint32_t pid) const;

 private:
  [[nodiscard]] std::optional<std::string> read(std::uint32_t pid, const char* file,
                                                std::size_t limit) const;

  std::filesystem::path root_;
};

}  // namespace kvmx
