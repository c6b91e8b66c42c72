// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <string_view>

#include "exporter/metrics/families.h"
#include "exporter/metrics/vcpu_samples.h"

namespace kvmx {
namespace {

constexpr Family kHalts = {"kvm_halts", MetricType::counter,
                           "Halts of the guest that have ended, by how: woken while KVM polled for "
                           "a wake-up, or after waiting asleep."};
constexpr Family kSeconds = {"kvm_halt_seconds", MetricType::counter,
                             "How long the guest was halted, the sleep in progress included."};

/// By enum kvmx_wakeup.
constexpr std::array<std::string_view, KVMX_WAKEUPS> kWakeups = {"poll", "wait"};

template <typename Value>
void write_each(const Snapshot& snapshot, TextWriter& writer, Value value) {
  for_each_vcpu(snapshot, [&](const VmCounts&, const VcpuCounts& vcpu, Labels& labels) {
    for (std::size_t i = 0; i < kWakeups.size(); ++i) {
      if (vcpu.halts[i].halts == 0 && vcpu.halts[i].ns == 0) continue;
      const Labels::Mark mark(labels);
      labels.add("wakeup", kWakeups[i]);
      writer.sample(labels, value(vcpu.halts[i]));
    }
  });
}

}  // namespace

void write_halts(const Snapshot& snapshot, TextWriter& writer) {
  writer.begin(kHalts);
  write_each(snapshot, writer, [](const HaltCount& count) { return count.halts; });
  writer.begin(kSeconds);
  write_each(snapshot, writer, [](const HaltCount& count) { return Nanoseconds{count.ns}; });
}

}  // namespace kvmx
