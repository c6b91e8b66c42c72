// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "bpf/listed_thread.h"

namespace kvmx {

/// Which threads are gone, by the last listing of them. A VMM that unplugs a vCPU ends the vCPU's
/// thread, but keeps the vCPU for later; KVM tells only of vCPUs that are destroyed.
class LivingThreads {
 public:
  /// Takes a listing that was begun at `asked_ns` (CLOCK_MONOTONIC): all threads of some processes.
  void observe(std::span<const listed_thread> threads, std::uint64_t asked_ns);

  /// Whether a thread that lived at `since_ns` has ended. Not of a process that was not listed.
  [[nodiscard]] bool ended(std::uint32_t tgid, std::uint32_t tid, std::uint64_t since_ns) const;

 private:
  std::vector<std::pair<std::uint32_t, std::uint32_t>> threads_;  ///< tgid and tid, in order
  std::uint64_t asked_ns_ = 0;
};

}  // namespace kvmx
