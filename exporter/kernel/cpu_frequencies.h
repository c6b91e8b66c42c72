// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "exporter/kernel/cpu_clock.h"

namespace kvmx {

/// Reads scaling_cur_freq and cpuinfo_max_freq of each CPU under `directory`,
/// /sys/devices/system/cpu. Nothing where no CPU has a cpufreq driver, as in most virtual machines.
std::optional<CpuClock> read_cpu_clock(const std::string& directory);

/// The same at most every ten seconds: a large host has hundreds of files to read.
class CpuFrequencies {
 public:
  std::optional<CpuClock> read();

 private:
  std::chrono::steady_clock::time_point next_{};
  std::optional<CpuClock> last_;
};

}  // namespace kvmx
