// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace kvmx {

/// CLOCK_MONOTONIC, in ns: what the BPF programs stamp exits with.
std::uint64_t monotonic_ns();

/// CLOCK_BOOTTIME, in ns. The kernel gives the start of a process in this clock.
std::uint64_t since_boot_ns();

/// When the host booted, ns since the epoch: what makes a process's start a date. It wavers by some
/// ns from call to call, so ask once.
std::uint64_t boot_time_ns();

/// CPU time of the calling thread, in ns.
std::uint64_t thread_cpu_ns();

}  // namespace kvmx
