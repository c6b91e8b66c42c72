// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "exporter/metrics/families.h"

namespace kvmx {
namespace {

constexpr Family kHalts = {"kvm_halts", MetricType::counter,
                           "Halts of the guest that have ended, by how: woken while KVM polled for "
                           "a wake-up, or after waiting asleep."};
constexpr Family kHaltSeconds = {"kvm_halt_seconds", MetricType::counter,
                                 "How long the guest was halted, the sleep in progress included."};

constexpr Family kPollFailed = {"kvm_halt_poll_failed_seconds", MetricType::counter,
                                "How long KVM polled for wake-ups that did not come."};

template <typename Value>
void write_each(const Snapshot& snapshot, PerVcpu per_vcpu, MetricWriter& writer, Value value) {
  /// By enum kvmx_wakeup.
  static const std::array<Labels, KVMX_WAKEUPS> wakeups = {Labels("wakeup", "poll"),
                                                           Labels("wakeup", "wait")};
  for_each_vcpu_or_vm(snapshot, per_vcpu >= PerVcpu::counts,
                      [&](const VmCounts&, const VcpuCounts& counts, const Labels& labels) {
                        for (std::size_t i = 0; i < wakeups.size(); ++i)
                          if (counts.halts[i].halts != 0 || counts.halts[i].ns != 0)
                            writer.sample(labels, wakeups[i], value(counts.halts[i]));
                      });
}

}  // namespace

void write_halts(const Snapshot& snapshot, PerVcpu per_vcpu, MetricWriter& writer) {
  writer.begin(kHalts);
  write_each(snapshot, per_vcpu, writer, [](const HaltCount& count) { return count.halts; });
  writer.begin(kHaltSeconds);
  write_each(snapshot, per_vcpu, writer,
             [](const HaltCount& count) { return Nanoseconds{count.ns}; });
  writer.begin(kPollFailed);
  const auto write_failed = [&](const Vm& vm, const Labels& labels) {
    const std::uint64_t ns = vm.counts.total.poll_failed_ns;
    if (ns != 0) writer.sample(labels, Nanoseconds{ns});
  };
  for_each_vm(snapshot, write_failed, CountedBy::kernel);
}

}  // namespace kvmx
