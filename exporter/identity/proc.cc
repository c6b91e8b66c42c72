// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/proc.h"

#include <charconv>
#include <cstddef>

#include "exporter/base/file.h"

namespace kvmx {

std::optional<std::string> Proc::read(std::uint32_t pid, const char* file,
                                      std::size_t limit) const {
  Result<std::string> content = read_file(root_ / std::to_string(pid) / file, limit);
  if (!content) return std::nullopt;
  return *std::move(content);
}

std::optional<std::string> Proc::read_cmdline(std::uint32_t pid) const {
  return read(pid, "cmdline", std::size_t{1} << 20);
}

std::optional<std::string> Proc::read_comm(std::uint32_t pid) const {
  std::optional<std::string> comm = read(pid, "comm", 4096);
  if (comm && comm->ends_with('\n')) comm->pop_back();
  return comm;
}

std::optional<std::uint64_t> Proc::read_start_ticks(std::uint32_t pid) const {
  const std::optional<std::string> stat = read(pid, "stat", 4096);
  return stat ? start_ticks(*stat) : std::nullopt;
}

std::optional<std::uint64_t> start_ticks(std::string_view stat) {
  constexpr int fields_to_skip = 22 - 2;
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string_view::npos) return std::nullopt;
  stat.remove_prefix(name_end + 1);
  for (int field = 0; field < fields_to_skip; ++field) {
    const std::size_t space = stat.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    stat.remove_prefix(space + 1);
  }
  std::uint64_t ticks = 0;
  const auto parsed = std::from_chars(stat.data(), stat.data() + stat.size(), ticks);
  if (parsed.ec != std::errc{} || parsed.ptr == stat.data()) return std::nullopt;
  const bool whole_number =
      parsed.ptr == stat.data() + stat.size() || *parsed.ptr == ' ' || *parsed.ptr == '\n';
  if (!whole_number) return std::nullopt;
  return ticks;
}

}  // namespace kvmx
