// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>

#include "exporter/exposition/label_cache.h"
#include "exporter/metrics/families.h"
#include "exporter/metrics/vcpu_series.h"
#include "exporter/names/hex.h"

namespace kvmx {
namespace {

constexpr Family kIoExits = {
    "kvm_io_exits", MetricType::counter,
    "Guest accesses to I/O ports, and to pages that are not memory (MMIO)."};

class IoLabels {
 public:
  const Labels& of(const IoCount& io, std::size_t op) {
    const std::uint64_t key = std::uint64_t{io.space == IoSpace::port} << 1U | op;
    return cache_.of(io.address ? *io.address << 2U | key : ~key, [&](Labels& labels) {
      labels.add("space", io.space == IoSpace::port ? "port" : "mmio");
      labels.add("op", op == KVMX_READ ? "read" : "write");
      labels.add("address", io.address ? hex(*io.address) : "other");
    });
  }

 private:
  LabelCache<std::uint64_t> cache_;
};

}  // namespace

void write_io(const Snapshot& snapshot, PerVcpu /*per_vcpu*/, MetricWriter& writer) {
  IoLabels io_labels;
  writer.begin(kIoExits);
  for_each_vm(snapshot, [&](const Vm& vm, const Labels& labels) {
    for (const IoCount& io : vm.counts.io)
      for (std::size_t op = 0; op < KVMX_OPS; ++op)
        if (io.accesses[op] != 0) writer.sample(labels, io_labels.of(io, op), io.accesses[op]);
  });
}

}  // namespace kvmx
