// SPDX-License-Identifier: Apache-2.0
#include "exporter/base/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <string>

#include "exporter/base/clock.h"
#include "exporter/base/file.h"

namespace kvmx {
namespace {

double count_fds() {
  std::error_code error;
  const std::filesystem::directory_iterator entries("/proc/self/fd", error);
  // The iterator's own descriptor is among them.
  return error ? 0 : static_cast<double>(std::distance(begin(entries), end(entries)) - 1);
}

}  // namespace

std::optional<StatFields> parse_stat(std::string_view stat) {
  const std::size_t name_begin = stat.find('(');
  const std::size_t name_end = stat.rfind(") ");
  if (name_end == std::string_view::npos || name_begin >= name_end) return std::nullopt;
  const std::string_view comm = stat.substr(name_begin + 1, name_end - name_begin - 1);
  stat.remove_prefix(name_end + 2);
  // Fields from the third on: [0] is the state, [6] flags, [11] utime, [12] stime, [19] starttime,
  // [20] vsize, [21] rss.
  std::array<std::uint64_t, 22> fields{};
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::string_view word = stat.substr(0, stat.find_first_of(" \n"));
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), fields[i]);
    const bool needed = i == 6 || i == 11 || i == 12 || i >= 19;
    if (needed && (error != std::errc() || end != word.data() + word.size())) return std::nullopt;
    stat.remove_prefix(std::min(stat.size(), word.size() + 1));
  }
  return StatFields{fields[11] + fields[12], fields[19], fields[20], fields[21], fields[6], comm};
}

std::optional<ProcessStats> read_process() {
  static const double boot_time = static_cast<double>(boot_time_ns()) / 1e9;
  const Result<std::string> stat = read_file("/proc/self/stat");
  const auto fields = stat ? parse_stat(*stat) : std::nullopt;
  if (!fields) return std::nullopt;
  const auto ticks_per_second = static_cast<double>(::sysconf(_SC_CLK_TCK));
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  ProcessStats process;
  process.cpu_seconds = static_cast<double>(fields->cpu_ticks) / ticks_per_second;
  process.start_time_seconds =
      boot_time + static_cast<double>(fields->start_ticks) / ticks_per_second;
  process.virtual_bytes = static_cast<double>(fields->virtual_bytes);
  process.resident_bytes =
      static_cast<double>(fields->resident_pages) * static_cast<double>(::sysconf(_SC_PAGESIZE));
  process.open_fds = count_fds();
  process.max_fds = static_cast<double>(limit.rlim_cur);
  return process;
}

}  // namespace kvmx
