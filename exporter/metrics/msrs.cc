// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <string_view>

#include "exporter/metrics/families.h"
#include "exporter/metrics/vcpu_samples.h"
#include "exporter/metrics/vm_histogram.h"
#include "exporter/names/hex.h"
#include "exporter/names/msr.h"

namespace kvmx {
namespace {

constexpr Family kAccesses = {"kvm_msr_accesses", MetricType::counter,
                              "Guest accesses to model-specific registers that KVM handled."};
constexpr Family kFaults = {"kvm_msr_faults", MetricType::counter,
                            "Guest accesses to model-specific registers answered with #GP."};

constexpr Family kIntervals = {
    "kvm_timer_interval_seconds", MetricType::histogram,
    "Time between one vCPU's successive programmings of its timer. A tick shows as a spike at its "
    "period: 1, 3.3, 4 or 10 ms."};

constexpr std::array<double, KVMX_INTERVAL_BOUNDS> kBounds = {
#define KVMX_LIST(us) (us) / 1e6,
    KVMX_INTERVAL_BOUNDS_US(KVMX_LIST)
#undef KVMX_LIST
};

/// By enum kvmx_msr_op.
constexpr std::array<std::string_view, KVMX_MSR_OPS> kOps = {"read", "write"};

void add_msr(Labels& labels, const MsrCount& msr) {
  if (!msr.index) {
    labels.add("msr", "other");
    labels.add("index", std::string_view());
    return;
  }
  const std::string_view name = msr_name(*msr.index);
  labels.add("msr", name.empty() ? "unknown" : name);
  labels.add("index", hex(*msr.index));
}

}  // namespace

void write_msrs(const Snapshot& snapshot, TextWriter& writer) {
  writer.begin(kAccesses);
  for_each_vcpu(snapshot, [&](const VmCounts&, const VcpuCounts& vcpu, Labels& labels) {
    for (const MsrCount& msr : vcpu.msrs) {
      for (std::size_t op = 0; op < kOps.size(); ++op) {
        if (msr.accesses[op] == 0) continue;
        const Labels::Mark mark(labels);
        labels.add("op", kOps[op]);
        add_msr(labels, msr);
        writer.sample(labels, msr.accesses[op]);
      }
    }
  });

  writer.begin(kFaults);
  for_each_vcpu(snapshot, [&](const VmCounts&, const VcpuCounts& vcpu, Labels& labels) {
    for (std::size_t op = 0; op < kOps.size(); ++op) {
      if (vcpu.msr_faults[op] == 0) continue;
      const Labels::Mark mark(labels);
      labels.add("op", kOps[op]);
      writer.sample(labels, vcpu.msr_faults[op]);
    }
  });

  writer.begin(kIntervals);
  write_vm_histogram(snapshot, writer, kBounds, &VmCounts::intervals);
}

}  // namespace kvmx
