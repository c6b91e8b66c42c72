// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/sizing.h"

#include <array>
#include <cstdio>
#include <utility>

#include "exporter/metrics/write_exposition.h"
#include "exporter/web/gzip.h"
#include "tests/bench/host.h"

namespace kvmx::bench {
namespace {

constexpr std::uint32_t kVms = 100;
constexpr std::uint32_t kVcpus = 16;

Exposition exposition(std::uint32_t vcpus, PerVcpu per_vcpu) {
  const Host host({.vms = kVms, .vcpus = vcpus, .reasons = 8, .msrs = 4, .others = true});
  SlotReader reader([] { return 0; });
  return render_exposition(host.snapshot(reader), {}, {.per_vcpu = per_vcpu});
}

std::size_t gzip_size(const std::string& text) {
  std::size_t size = 0;
  GzipStream stream([&size](std::string_view piece) { size += piece.size(); });
  stream.write(text);
  stream.finish();
  return size;
}

}  // namespace

std::string typical_exposition(PerVcpu per_vcpu) { return exposition(kVcpus, per_vcpu).text; }

std::string sizing_table() {
  std::string table =
      "| `--metrics.per-vcpu` | series a vCPU | and a VM | bytes a vCPU | and a VM | "
      "that host: series | MB | gzip, kB |\n|---|---|---|---|---|---|---|---|\n";
  constexpr std::array<std::pair<const char*, PerVcpu>, 3> kSettings = {
      {{"none", PerVcpu::none}, {"counts", PerVcpu::counts}, {"all", PerVcpu::all}}};
  for (const auto& [name, setting] : kSettings) {
    // What one vCPU more adds is a vCPU's; the rest is the VM's.
    const Exposition more = exposition(kVcpus, setting);
    const Exposition less = exposition(kVcpus - 1, setting);
    const std::size_t series = (more.series - less.series) / kVms;
    const std::size_t bytes = (more.text.size() - less.text.size()) / kVms;
    std::array<char, 160> row;
    std::snprintf(row.data(), row.size(), "| `%s` | %zu | %zu | %zu | %zu | %zu | %.1f | %.0f |\n",
                  name, series, more.series / kVms - kVcpus * series, bytes,
                  more.text.size() / kVms - kVcpus * bytes, more.series,
                  static_cast<double>(more.text.size()) / 1e6,
                  static_cast<double>(gzip_size(more.text)) / 1e3);
    table += row.data();
  }
  return table;
}

}  // namespace kvmx::bench
