// SPDX-License-Identifier: Apache-2.0
#include "exporter/counts/living_threads.h"

#include <algorithm>

namespace kvmx {

void LivingThreads::observe(std::span<const listed_thread> threads, std::uint64_t asked_ns) {
  asked_ns_ = asked_ns;
  threads_.clear();
  for (const listed_thread& thread : threads)
    if (thread.origin != KVMX_THREAD_KERNEL) threads_.emplace_back(thread.tgid, thread.tid);
  std::ranges::sort(threads_);
}

bool LivingThreads::ended(std::uint32_t tgid, std::uint32_t tid, std::uint64_t since_ns) const {
  if (since_ns >= asked_ns_) return false;
  const auto first = std::ranges::lower_bound(threads_, std::pair(tgid, std::uint32_t{0}));
  if (first == threads_.end() || first->first != tgid) return false;
  return !std::binary_search(first, threads_.end(), std::pair(tgid, tid));
}

}  // namespace kvmx
