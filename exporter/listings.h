// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "exporter/back_off.h"
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

  /// Loads the kernel's side, with room for so many VMs. What cannot be loaded, maybe for want of
  /// memory or descriptors, is tried again when something is to be listed, for half a minute. What
  /// cannot be loaded even then is never listed. The log says what that means.
  explicit Listings(std::uint32_t max_vms);

  /// Whether nothing is to be loaded any more, which takes privileges.
  [[nodiscard]] bool settled() const { return vcpus_.settled() && threads_.settled(); }

  /// The vCPUs that exist, if it is time to look again: once a second, or in two and a half on a
  /// host where that takes long; at once if `urgent`, which it is when one has just begun to run.
  std::optional<VcpuListing> vcpus(bool urgent);

  /// The threads of these processes, with their CPU times. `vms`: starts of the processes, by id.
  std::optional<std::vector<listed_thread>> threads(
      const std::map<std::uint32_t, std::uint64_t>& vms);

 private:
  using Clock = std::chrono::steady_clock;

  /// A program that lists, once it could be loaded.
  template <typename Lister>
  struct Loaded {
    std::optional<Lister> lister;
    bool wanted = false;  ///< and not given up
    BackOff loading;

    [[nodiscard]] bool settled() const { return lister || !wanted; }
  };

  template <typename Lister>
  static void load(Loaded<Lister>& loaded, Result<Lister> (*make)(std::uint32_t),
                   std::uint32_t max_vms, const char* without);
  void load();

  std::uint32_t max_vms_ = 0;
  Loaded<VcpuLister> vcpus_;
  Loaded<ThreadLister> threads_;
  ProcThreads proc_threads_;  ///< in its place
  Clock::time_point next_vcpus_;
  BackOff listing_vcpus_;
  bool threads_failed_ = false;  ///< the last time
};

}  // namespace kvmx
