// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "exporter/kernel/proc_threads.h"
#include "exporter/kernel/thread_lister.h"
#include "exporter/kernel/vcpu_lister.h"

namespace kvmx {

/// What exists, as the kernel lists it from time to time. A listing that fails is no news of
/// anything, is logged once, and is tried again.
class Listings {
 public:
  /// Of a kernel that cannot list anything: threads are those that /proc shows.
  Listings() = default;

  /// Loads the kernel's side, with room for so many VMs. What the kernel cannot list is never
  /// listed, and the log says what that means.
  explicit Listings(std::uint32_t max_vms);

  /// The vCPUs that exist, if it is time to look again: at once if `urgent`, which it is when one
  /// has just begun to run.
  std::optional<VcpuListing> vcpus(bool urgent);

  /// The threads of these processes, with their CPU times. `vms`: starts of the processes, by id.
  std::optional<std::vector<listed_thread>> threads(
      const std::map<std::uint32_t, std::uint64_t>& vms);

 private:
  using Clock = std::chrono::steady_clock;

  std::optional<VcpuLister> vcpu_lister_;
  std::optional<ThreadLister> thread_lister_;
  ProcThreads proc_threads_;  ///< in its place
  Clock::time_point next_vcpus_;
  std::chrono::milliseconds pause_{};  ///< after a listing of vCPUs that failed
  bool threads_failed_ = false;        ///< the last time
};

}  // namespace kvmx
