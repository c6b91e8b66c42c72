// SPDX-License-Identifier: Apache-2.0
#include "exporter/diagnosis/causes.h"

#include <algorithm>
#include <array>
#include <utility>

#include "exporter/diagnosis/thresholds.h"

namespace kvmx {
namespace {

double count_of(const CodeCounter& made) { return static_cast<double>(made.count); }

/// What exits of one reason cost. Those that wait have no time, and cost the switches.
double cost_of(const CodeCounter& made) {
  const double count = count_of(made);
  return std::clamp(static_cast<double>(made.ns) / 1e9, count * threshold::kExitLeastSeconds,
                    count * threshold::kExitMostSeconds);
}

/// What was added between two samples, by the weight that it is given. A counter that stepped back
/// belongs to a vCPU that is no more.
template <typename Weight>
std::optional<TopCause> top(const std::vector<CodeCounter>& before,
                            const std::vector<CodeCounter>& now, double seconds, Weight weight) {
  TopCause most;
  double sum = 0;
  double heaviest = 0;
  auto old = before.begin();
  for (CodeCounter made : now) {
    while (old != before.end() && old->code < made.code) ++old;
    if (old != before.end() && old->code == made.code) {
      if (made.count < old->count) continue;
      made.count -= old->count;
      made.ns -= std::min(made.ns, old->ns);
    }
    const double weighs = weight(made);
    sum += weighs;
    if (weighs <= heaviest) continue;
    heaviest = weighs;
    most.code = made.code;
    most.rate = count_of(made) / seconds;
  }
  if (heaviest <= 0) return std::nullopt;
  most.share = heaviest / sum;
  return most;
}

/// The same of the ports, or the pages. What was counted under "other" adds to the sum alone.
std::optional<TopPlace> top_place(const std::vector<IoCount>& before,
                                  const std::vector<IoCount>& now, IoSpace space, double seconds) {
  TopPlace most;
  double sum = 0;
  double heaviest = 0;
  for (const IoCount& io : now) {
    if (io.space != space) continue;
    const auto old = std::ranges::find_if(before, [&](const IoCount& other) {
      return other.space == space && other.address == io.address;
    });
    std::array<double, KVMX_OPS> made{};
    for (std::size_t op = 0; op < KVMX_OPS; ++op) {
      const std::uint64_t was = old != before.end() ? old->accesses[op] : 0;
      made[op] = static_cast<double>(io.accesses[op] - std::min(io.accesses[op], was));
    }
    const double accesses = made[KVMX_READ] + made[KVMX_WRITE];
    sum += accesses;
    if (!io.address || accesses <= heaviest) continue;
    heaviest = accesses;
    most = {space, *io.address, made[KVMX_WRITE] > made[KVMX_READ], accesses / seconds, 0};
  }
  if (heaviest <= 0) return std::nullopt;
  most.share = heaviest / sum;
  return most;
}

}  // namespace

void Causes::record(const VmCounters& vm, std::uint64_t now_ns) {
  current_ = {now_ns, vm.io, vm.msrs, vm.reasons, vm.userspace_exits};
  if (older_.at_ns == 0) older_ = current_;
  if (newer_.at_ns == 0) newer_ = current_;
  if (now_ns - newer_.at_ns < threshold::kWindowNs) return;
  older_ = std::exchange(newer_, current_);
}

void Causes::name(VmWindow& window) const {
  const double seconds = static_cast<double>(current_.at_ns - older_.at_ns) / 1e9;
  if (seconds <= 0) return;
  window.msr = top(older_.msrs, current_.msrs, seconds, count_of);
  window.reason = top(older_.reasons, current_.reasons, seconds, cost_of);
  window.port = top_place(older_.io, current_.io, IoSpace::port, seconds);
  window.page = top_place(older_.io, current_.io, IoSpace::mmio, seconds);
  window.userspace_exit = top(older_.userspace_exits, current_.userspace_exits, seconds, count_of);
}

}  // namespace kvmx
