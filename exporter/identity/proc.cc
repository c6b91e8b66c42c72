// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/proc.h"

#include <charconv>
#include <cstddef>
#include <system_error>

#include "exporter/base/file.h"
#include "exporter/base/process.h"

namespace kvmx {

std::optional<std::string> Proc::read(std::uint32_t pid, const char* file,
                                      std::size_t limit) const {
  Result<std::string> content = read_file(root_ / std::to_string(pid) / file, limit);
  if (!content) return std::nullopt;
  return *std::move(content);
}

TimedRead Proc::read_cmdline(std::uint32_t pid) const {
  return read_file_in_time(root_ / std::to_string(pid) / "cmdline", std::size_t{1} << 20,
                           [this, pid] { return read_user(pid); });
}

std::uint32_t Proc::read_user(std::uint32_t pid) const {
  constexpr std::string_view kField = "\nUid:\t";
  const std::string status = read(pid, "status", 4096).value_or("");
  const std::size_t at = status.find(kField);
  std::uint32_t user = 0;
  if (at != status.npos)
    std::from_chars(status.data() + at + kField.size(), status.data() + status.size(), user);
  return user;
}

std::optional<std::string> Proc::read_cgroup(std::uint32_t pid) const {
  return read(pid, "cgroup", std::size_t{64} << 10);
}

std::optional<std::string> Proc::read_cgroup(std::uint32_t pid, std::uint32_t tid) const {
  const std::string file = "task/" + std::to_string(tid) + "/cgroup";
  return read(pid, file.c_str(), std::size_t{64} << 10);
}

std::vector<std::uint32_t> Proc::read_threads(std::uint32_t pid, std::size_t limit) const {
  std::vector<std::uint32_t> threads;
  std::error_code error;
  std::filesystem::directory_iterator entry(root_ / std::to_string(pid) / "task", error);
  for (; !error && entry != std::filesystem::directory_iterator() && threads.size() < limit;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    std::uint32_t tid = 0;
    const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), tid);
    if (failure == std::errc{} && end == name.data() + name.size()) threads.push_back(tid);
  }
  return threads;
}

std::optional<std::string> Proc::read_executable(std::uint32_t pid) const {
  std::error_code error;
  const auto target = std::filesystem::read_symlink(root_ / std::to_string(pid) / "exe", error);
  if (error) return std::nullopt;
  return target.string();
}

std::optional<std::string> Proc::read_comm(std::uint32_t pid) const {
  std::optional<std::string> comm = read(pid, "comm", 4096);
  if (comm && comm->ends_with('\n')) comm->pop_back();
  return comm;
}

std::optional<std::uint64_t> Proc::read_start_ticks(std::uint32_t pid) const {
  const std::optional<std::string> stat = read(pid, "stat", 4096);
  const std::optional<StatFields> fields = stat ? parse_stat(*stat) : std::nullopt;
  return fields ? std::optional(fields->start_ticks) : std::nullopt;
}

}  // namespace kvmx
