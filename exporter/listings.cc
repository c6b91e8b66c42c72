// SPDX-License-Identifier: Apache-2.0
#include "exporter/listings.h"

#include <algorithm>
#include <set>
#include <utility>

#include "exporter/base/log.h"

namespace kvmx {

Listings::Listings(std::uint32_t max_vms) {
  if (Result<VcpuLister> vcpus = VcpuLister::load())
    vcpu_lister_ = std::move(*vcpus);
  else
    spdlog::warn("VMs and vCPUs are known only once they run: {}", vcpus.error().message);
  if (Result<ThreadLister> threads = ThreadLister::load(max_vms))
    thread_lister_ = std::move(*threads);
  else
    spdlog::warn("CPU times of VMs are read from /proc: {}", threads.error().message);
}

std::optional<VcpuListing> Listings::vcpus(bool urgent) {
  constexpr std::chrono::milliseconds kPause(900);
  constexpr std::chrono::milliseconds kLongestPause(60'000);
  const Clock::time_point asked = Clock::now();
  const bool failed = pause_.count() > 0;
  if (!vcpu_lister_ || (asked < next_vcpus_ && (failed || !urgent))) return std::nullopt;
  Result<std::vector<ListedVcpu>> listed = vcpu_lister_->list();
  if (!listed) {
    // No news of any VM, and not given up: descriptors or memory may be there again soon.
    if (!failed) spdlog::error("{}; trying again", listed.error().message);
    pause_ = std::clamp(2 * pause_, kPause, kLongestPause);
    next_vcpus_ = asked + pause_;
    return std::nullopt;
  }
  if (failed) spdlog::info("vCPUs are listed again");
  pause_ = {};
  next_vcpus_ = asked + kPause;
  return VcpuListing{asked, std::move(*listed)};
}

std::optional<std::vector<listed_thread>> Listings::threads(
    const std::map<std::uint32_t, std::uint64_t>& vms) {
  if (!thread_lister_) return proc_threads_.list(vms);
  std::set<std::uint32_t> processes;
  for (const auto& [process, start] : vms) processes.insert(process);
  Result<std::vector<listed_thread>> listed = thread_lister_->list(processes);
  const bool failed = std::exchange(threads_failed_, !listed);
  if (!listed && !failed) spdlog::error("{}; trying again", listed.error().message);
  if (listed && failed) spdlog::info("threads are listed again");
  if (!listed) return std::nullopt;
  return std::move(*listed);
}

}  // namespace kvmx
