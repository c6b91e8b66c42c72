// SPDX-License-Identifier: Apache-2.0
#include "exporter/base/clock.h"

#include <ctime>

namespace kvmx {
namespace {

std::uint64_t read_clock(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

std::uint64_t monotonic_ns() { return read_clock(CLOCK_MONOTONIC); }

std::uint64_t since_boot_ns() { return read_clock(CLOCK_BOOTTIME); }

std::uint64_t thread_cpu_ns() { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

std::uint64_t boot_time_ns() { return read_clock(CLOCK_REALTIME) - read_clock(CLOCK_BOOTTIME); }

}  // namespace kvmx
