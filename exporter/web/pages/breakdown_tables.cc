// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/pages/breakdown_tables.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

#include "bpf/vcpu_slot.h"
#include "exporter/diagnosis/counters.h"
#include "exporter/diagnosis/words.h"
#include "exporter/names/hex.h"
#include "exporter/names/msr.h"
#include "exporter/summary/cause_names.h"
#include "exporter/web/pages/html.h"

namespace kvmx {
namespace {

using words::grouped;

double sum_of(const std::vector<CodeRate>& rates) {
  return std::accumulate(rates.begin(), rates.end(), 0.0,
                         [](double sum, const CodeRate& each) { return sum + each.rate; });
}

/// Below ten a second a digit after the point says more than none.
std::string rate_text(double rate) {
  if (rate >= 10) return grouped(rate);
  std::string text = std::to_string(rate);
  return text.substr(0, text.find('.') + 2);
}

/// A table of causes with their rates and shares; `name` makes HTML of a code.
template <typename Name>
std::string causes_table(const std::vector<CodeRate>& rates, std::string_view what, Name name) {
  if (rates.empty()) return "<p class=\"soft\">None.</p>\n";
  const html::Header headers[] = {{what}, {"a second", true}, {"share", true}, {""}};
  html::Table table(headers);
  const double sum = sum_of(rates);
  for (const CodeRate& each : rates) {
    const double share = each.rate / sum;
    const std::string cells[] = {name(each.code), rate_text(each.rate), words::percent(share),
                                 html::bar(share)};
    table.add(cells);
  }
  return table.end();
}

std::string cpus_text(double cpus) {
  const std::string text = words::cpus(cpus);
  return text.substr(0, text.rfind(' '));
}

/// HTML: "port 0x608, the ACPI PM timer", "page 0xfe003000".
std::string place_name(const PlaceRate& place) {
  const std::string space = place.space == IoSpace::port ? "port" : "page";
  if (!place.address) return "other " + space + "s";
  const std::string_view device = words::device(place.space, *place.address);
  return space + " " + hex(*place.address) +
         (device.empty() ? "" : " <span class=\"soft\">" + html::escape(device) + "</span>");
}

constexpr std::array<std::uint32_t, KVMX_INTERVAL_BOUNDS> kBoundsUs = {
#define KVMX_LIST(us) us,
    KVMX_INTERVAL_BOUNDS_US(KVMX_LIST)
#undef KVMX_LIST
};

std::string milliseconds(std::uint32_t us) {
  std::string text = std::to_string(us / 1000.0);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

/// The bounds of a bucket, and the tick that falls into it.
std::string interval_name(std::uint32_t bucket) {
  if (bucket == 0) return "up to " + milliseconds(kBoundsUs[0]) + " ms";
  const std::uint32_t from = kBoundsUs[bucket - 1];
  if (bucket >= kBoundsUs.size()) return "over " + milliseconds(from) + " ms";
  std::string text = milliseconds(from) + " to " + milliseconds(kBoundsUs[bucket]) + " ms";
  for (const std::uint32_t hertz : {1000U, 300U, 250U, 100U})
    if (const std::uint32_t period = 1'000'000 / hertz;
        from < period && period <= kBoundsUs[bucket])
      text += " (" + std::to_string(hertz) + " Hz)";
  return text;
}

}  // namespace

std::string exits_table(const VmBreakdown& breakdown, Isa isa) {
  return causes_table(breakdown.reasons, "reason", [isa](std::uint32_t code) {
    return html::escape(cause_names::reason(isa, code));
  });
}

std::string msrs_table(const VmBreakdown& breakdown) {
  return causes_table(breakdown.msrs, "register", [](std::uint32_t index) {
    std::string name = html::escape(cause_names::msr(index));
    if (!msr_name(index).empty()) name += " <span class=\"soft\">" + hex(index) + "</span>";
    return name;
  });
}

std::string userspace_exits_table(const VmBreakdown& breakdown) {
  return causes_table(breakdown.userspace_exits, "reason", [](std::uint32_t id) {
    return html::escape(cause_names::userspace_exit(id));
  });
}

std::string intervals_table(const VmBreakdown& breakdown) {
  if (breakdown.intervals.empty()) return "<p class=\"soft\">It programs no timer by an MSR.</p>\n";
  constexpr html::Header kHeaders[] = {{"interval"}, {"a second", true}, {"share", true}, {""}};
  html::Table table(kHeaders);
  const double sum = sum_of(breakdown.intervals);
  const std::uint32_t first = breakdown.intervals.front().code;
  const std::uint32_t last = breakdown.intervals.back().code;
  auto next = breakdown.intervals.begin();
  // Empty buckets in between are shown, so that a gap is one.
  for (std::uint32_t bucket = first; bucket <= last; ++bucket) {
    const double rate = next->code == bucket ? (next++)->rate : 0;
    const std::string cells[] = {interval_name(bucket), rate_text(rate), words::percent(rate / sum),
                                 html::bar(rate / sum)};
    table.add(cells);
  }
  return table.end();
}

std::string places_table(const VmBreakdown& breakdown) {
  if (breakdown.places.empty()) return "<p class=\"soft\">None.</p>\n";
  constexpr html::Header kHeaders[] = {
      {"place"}, {"reads/s", true}, {"writes/s", true}, {"share", true}, {""}};
  html::Table table(kHeaders);
  double sum = 0;
  for (const PlaceRate& place : breakdown.places) sum += place.total();
  for (const PlaceRate& place : breakdown.places) {
    const double share = place.total() / sum;
    const std::string cells[] = {place_name(place), rate_text(place.rates[KVMX_READ]),
                                 rate_text(place.rates[KVMX_WRITE]), words::percent(share),
                                 html::bar(share)};
    table.add(cells);
  }
  return table.end();
}

std::string lines_table(const VmBreakdown& breakdown) {
  return causes_table(breakdown.lines, "GSI", [](std::uint32_t gsi) {
    return gsi == CodeCounter::kOther ? std::string("other") : std::to_string(gsi);
  });
}

std::string cpu_table(const VmBreakdown& breakdown) {
  if (breakdown.threads == ThreadCpus{}) return "<p class=\"soft\">Not known.</p>\n";
  constexpr html::Header kHeaders[] = {{"threads"}, {"CPUs", true}};
  constexpr std::pair<std::string_view, ThreadKind> kKinds[] = {
      {"vCPUs, and the VMM's work for them", ThreadKind::vcpu},
      {"VMM: main loop, disks, migration", ThreadKind::vmm},
      {"vhost: network, disks", ThreadKind::vhost},
      {"KVM's timer chip (kvm-pit)", ThreadKind::pit}};
  html::Table table(kHeaders);
  for (const auto& [what, kind] : kKinds) {
    const double cpus = breakdown.threads[static_cast<std::size_t>(kind)];
    if (cpus == 0 && kind != ThreadKind::vcpu) continue;
    table.add(std::array{std::string(what), cpus_text(cpus)});
    if (kind == ThreadKind::vcpu)
      table.add(std::array{std::string("vCPUs, waiting for a CPU (run delay)"),
                           cpus_text(breakdown.total[kRunDelay])});
  }
  return table.end();
}

std::string vcpus_table(const VmBreakdown& breakdown, ExitCounting exits) {
  if (breakdown.vcpus.empty()) return "<p class=\"soft\">None of them is known yet.</p>\n";
  constexpr html::Header kHeaders[] = {
      {"vCPU"},          {"state"},        {"tick, Hz", true}, {"wake-ups/s", true},
      {"exits/s", true}, {"halted", true}, {"CPU", true},      {"waits", true}};
  html::Table table(kHeaders);
  for (const VcpuRates& vcpu : breakdown.vcpus) {
    const std::string cells[] = {
        std::to_string(vcpu.id),
        vcpu.running ? "running" : "<span class=\"soft\">parked</span>",
        rate_text(vcpu.rates[kTimerPrograms]),
        rate_text(vcpu.rates[kHalts]),
        exits == ExitCounting::counted ? rate_text(vcpu.rates[kExits]) : "-",
        words::percent(std::min(1.0, vcpu.rates[kHaltTime])),
        words::percent(std::min(1.0, vcpu.rates[kCpuTime])),
        words::percent(std::min(1.0, vcpu.rates[kRunDelay]))};
    table.add(cells);
  }
  return table.end();
}

}  // namespace kvmx
