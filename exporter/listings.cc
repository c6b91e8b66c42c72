// SPDX-License-Identifier: Apache-2.0
#include "exporter/listings.h"

#include <algorithm>
#include <set>
#include <utility>

#include "exporter/base/clock.h"
#include "exporter/base/log.h"

namespace kvmx {
namespace {

/// Between two listings of vCPUs. To list those of a thousand VMs takes some 10 ms.
constexpr std::chrono::milliseconds kPause(900);
constexpr std::chrono::milliseconds kLongestPause(2500);
/// For one part of the time in so many they are listed, unless that would be too seldom.
constexpr int kPartsOfTime = 300;

}  // namespace

Listings::Listings(std::uint32_t max_vms) : max_vms_(max_vms) {
  vcpus_.wanted = true;
  threads_.wanted = true;
  load();
}

template <typename Lister>
void Listings::load(Loaded<Lister>& loaded, Result<Lister> (*make)(std::uint32_t),
                    std::uint32_t max_vms, const char* without) {
  constexpr int kMostTries = 6;
  const Clock::time_point now = Clock::now();
  if (loaded.settled() || !loaded.loading.is_due(now)) return;
  Result<Lister> lister = make(max_vms);
  if (lister) {
    loaded.lister = std::move(*lister);
    if (loaded.loading.failed()) spdlog::info("no longer is it so that {}", without);
    return;
  }
  loaded.loading.note_failure(now);
  loaded.wanted = loaded.loading.failures() < kMostTries;
  if (loaded.loading.failures() == 1 || !loaded.wanted)
    spdlog::warn("{}: {}; {}", without, lister.error().message,
                 loaded.wanted ? "trying again" : "given up");
}

/// What could not be loaded yet, if it is time to try again.
void Listings::load() {
  load<VcpuLister>(
      vcpus_, [](std::uint32_t) { return VcpuLister::load(); }, max_vms_,
      "VMs and vCPUs are known only once they run");
  load<ThreadLister>(threads_, ThreadLister::load, max_vms_,
                     "CPU times of VMs are read from /proc");
}

std::optional<VcpuListing> Listings::vcpus(bool urgent) {
  load();
  const Clock::time_point asked = Clock::now();
  const bool failed = listing_vcpus_.failed();
  if (!vcpus_.lister || !listing_vcpus_.is_due(asked) || (asked < next_vcpus_ && !urgent))
    return std::nullopt;
  const std::uint64_t before = thread_cpu_ns();
  Result<std::vector<ListedVcpu>> listed = vcpus_.lister->list();
  const std::chrono::nanoseconds took(thread_cpu_ns() - before);
  if (!listed) {
    // No news of any VM, and not given up: descriptors or memory may be there again soon.
    if (!failed) spdlog::error("{}; trying again", listed.error().message);
    listing_vcpus_.note_failure(asked);
    return std::nullopt;
  }
  if (failed) spdlog::info("vCPUs are listed again");
  listing_vcpus_.note_success();
  next_vcpus_ = asked + std::clamp<Clock::duration>(kPartsOfTime * took, kPause, kLongestPause);
  return VcpuListing{asked, std::move(*listed)};
}

std::optional<std::vector<listed_thread>> Listings::threads(
    const std::map<std::uint32_t, std::uint64_t>& vms) {
  if (!threads_.lister) return proc_threads_.list(vms);
  std::set<std::uint32_t> processes;
  for (const auto& [process, start] : vms) processes.insert(process);
  Result<std::vector<listed_thread>> listed = threads_.lister->list(processes);
  const bool failed = std::exchange(threads_failed_, !listed);
  if (!listed && !failed) spdlog::error("{}; trying again", listed.error().message);
  if (listed && failed) spdlog::info("threads are listed again");
  if (!listed) return std::nullopt;
  return std::move(*listed);
}

}  // namespace kvmx
