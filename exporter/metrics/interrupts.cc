// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>

#include "exporter/exposition/label_cache.h"
#include "exporter/metrics/families.h"
#include "exporter/metrics/vcpu_series.h"

namespace kvmx {
namespace {

constexpr Family kChanges = {"kvm_interrupt_line_changes", MetricType::counter,
                             "Times that the level of an interrupt line was set, up or down, by "
                             "the VMM or the kernel."};

}  // namespace

void write_interrupts(const Snapshot& snapshot, PerVcpu /*per_vcpu*/, MetricWriter& writer) {
  LabelCache<std::size_t> cache;
  writer.begin(kChanges);
  for_each_vm(snapshot, [&](const Vm& vm, const Labels& labels) {
    const auto& changes = vm.counts.line_changes;
    for (std::size_t line = 0; line < changes.size(); ++line) {
      if (changes[line] == 0) continue;
      const Labels& gsi = cache.of(line, [&](Labels& added) {
        if (line < KVMX_LINES)
          added.add("gsi", std::uint64_t{line});
        else
          added.add("gsi", "other");
      });
      writer.sample(labels, gsi, changes[line]);
    }
  });
}

}  // namespace kvmx
