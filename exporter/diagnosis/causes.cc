// SPDX-License-Identifier: Apache-2.0
#include "exporter/diagnosis/causes.h"

#include <algorithm>
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

}  // namespace

void Causes::record(const VmCounters& vm, std::uint64_t now_ns) {
  current_ = {now_ns, vm.msrs, vm.reasons, vm.userspace_exits};
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
  window.userspace_exit = top(older_.userspace_exits, current_.userspace_exits, seconds, count_of);
}

}  // namespace kvmx
