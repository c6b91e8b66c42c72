// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "exporter/exposition/label_cache.h"
#include "exporter/metrics/families.h"
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

constexpr std::array<double, KVMX_INTERVAL_BOUNDS> kIntervalBounds = {
#define KVMX_LIST(us) (us) / 1e6,
    KVMX_INTERVAL_BOUNDS_US(KVMX_LIST)
#undef KVMX_LIST
};

/// A native histogram whose buckets grow by 2^(1/4) keeps the ticks of 100, 250, 300 and 1000 Hz
/// apart. Ours are around these, and each is counted in the native bucket in which its tick is.
constexpr int kIntervalSchema = 2;
constexpr std::array<double, KVMX_INTERVAL_BUCKETS> kTypicalIntervals = {
    1e-4, 2.5e-4, 5e-4,   7e-4, 1e-3,   1.5e-3, 2.5e-3, 1.0 / 300,
    4e-3, 5e-3,   7.5e-3, 1e-2, 1.5e-2, 5e-2,   5e-1,   2};

/// The labels of accesses.
class MsrLabels {
 public:
  const Labels& of(std::size_t op, std::optional<std::uint32_t> index) {
    const std::uint64_t key = index ? std::uint64_t{*index} << 1U | op : ~std::uint64_t{op};
    return cache_.of(key, [&](Labels& labels) {
      labels.add("op", op == KVMX_READ ? "read" : "write");
      const std::string_view name = index ? msr_name(*index) : "other";
      labels.add("msr", name.empty() ? "unknown" : name);
      labels.add("index", index ? hex(*index) : "");
    });
  }

 private:
  LabelCache<std::uint64_t> cache_;
};

}  // namespace

void write_msrs(const Snapshot& snapshot, PerVcpu per_vcpu, MetricWriter& writer) {
  const bool by_vcpu = per_vcpu >= PerVcpu::counts;
  MsrLabels msr_labels;
  writer.begin(kAccesses);
  for_each_vcpu_or_vm(snapshot, by_vcpu,
                      [&](const VmCounts&, const VcpuCounts& counts, const Labels& labels) {
                        for (const MsrCount& msr : counts.msrs)
                          for (std::size_t op = 0; op < KVMX_OPS; ++op)
                            if (msr.accesses[op] != 0)
                              writer.sample(labels, msr_labels.of(op, msr.index), msr.accesses[op]);
                      });

  static const std::array<Labels, KVMX_OPS> ops = {Labels("op", "read"), Labels("op", "write")};
  writer.begin(kFaults);
  for_each_vcpu_or_vm(snapshot, by_vcpu,
                      [&](const VmCounts&, const VcpuCounts& counts, const Labels& labels) {
                        for (std::size_t op = 0; op < KVMX_OPS; ++op)
                          if (counts.msr_faults[op] != 0)
                            writer.sample(labels, ops[op], counts.msr_faults[op]);
                      });

  static const HistogramBuckets buckets(kIntervalBounds, kIntervalSchema, kTypicalIntervals);
  writer.begin(kIntervals);
  write_vm_histogram(snapshot, writer, buckets, &VmCounts::intervals);
}

}  // namespace kvmx
