// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/cpu_frequencies.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>

#include "exporter/base/file.h"

namespace kvmx {
namespace {

constexpr double kHertzPerKilohertz = 1000;

bool is_cpu(const std::string& name) {
  return name.size() > 3 && name.starts_with("cpu") &&
         std::ranges::all_of(name.substr(3), [](char c) { return c >= '0' && c <= '9'; });
}

/// A frequency in kHz, as the kernel prints it; 0 if it does not.
std::uint64_t kilohertz(const std::filesystem::path& file) {
  const std::string line = read_line(file).value_or("");
  std::uint64_t value = 0;
  std::from_chars(line.data(), line.data() + line.size(), value);
  return value;
}

}  // namespace

std::optional<CpuClock> read_cpu_clock(const std::string& directory) {
  CpuClock clock;
  std::size_t cpus = 0;
  std::error_code failed;
  for (std::filesystem::directory_iterator at(directory, failed), end; !failed && at != end;
       at.increment(failed)) {
    if (!is_cpu(at->path().filename())) continue;
    const auto hertz_of = [&at](const char* file) {
      return kHertzPerKilohertz * static_cast<double>(kilohertz(at->path() / "cpufreq" / file));
    };
    const double hertz = hertz_of("scaling_cur_freq");
    if (hertz == 0) continue;
    clock.limit_hertz = std::max(clock.limit_hertz, hertz_of("cpuinfo_max_freq"));
    clock.max_hertz = std::max(clock.max_hertz, hertz);
    clock.mean_hertz += hertz;
    ++cpus;
  }
  if (cpus == 0) return std::nullopt;
  clock.mean_hertz /= static_cast<double>(cpus);
  return clock;
}

std::optional<CpuClock> CpuFrequencies::read() {
  constexpr std::chrono::seconds kEvery(10);
  const auto now = std::chrono::steady_clock::now();
  if (now >= next_) {
    last_ = read_cpu_clock("/sys/devices/system/cpu");
    next_ = now + kEvery;
  }
  return last_;
}

}  // namespace kvmx
