// SPDX-License-Identifier: Apache-2.0
#include "exporter/summary/summary.h"

#include <algorithm>
#include <numeric>
#include <string_view>
#include <tuple>

#include "exporter/counts/sum_counts.h"
#include "exporter/diagnosis/breakdown.h"
#include "exporter/kernel/events.h"
#include "exporter/names/msr.h"
#include "exporter/summary/cause_names.h"

namespace kvmx {
namespace {

/// The cause `at` of `rates`, if there is one.
template <typename Name>
std::optional<LeadingCause> cause(const std::vector<CodeRate>& rates,
                                  std::vector<CodeRate>::const_iterator at, Name name) {
  if (at == rates.end()) return std::nullopt;
  const double sum =
      std::accumulate(rates.begin(), rates.end(), 0.0,
                      [](double before, const CodeRate& each) { return before + each.rate; });
  return LeadingCause{name(at->code), at->rate / sum};
}

/// The register that is accessed most. The end of an interrupt is written as often as there are
/// interrupts: it follows from what is to be named, so it comes last.
std::optional<LeadingCause> leading_msr(const std::vector<CodeRate>& msrs) {
  const auto ends_interrupt = [](const CodeRate& msr) {
    constexpr std::uint32_t kHyperVEoi = 0x40000070;
    return msr.code == msrs::kX2apicEoi || msr.code == kHyperVEoi;
  };
  const auto other = std::ranges::find_if_not(msrs, ends_interrupt);
  return cause(msrs, other == msrs.end() ? msrs.begin() : other, cause_names::msr);
}

/// A share of the running vCPUs' time: parked ones sleep all the time, and say nothing. Where no
/// vCPU is known, of all that exist.
std::optional<double> halted(const VmBreakdown& breakdown, std::uint64_t vcpus) {
  double sum = 0;
  std::size_t running = 0;
  for (const VcpuRates& vcpu : breakdown.vcpus) {
    if (!vcpu.running) continue;
    sum += std::min(vcpu.rates[kHaltTime], 1.0);
    ++running;
  }
  if (running > 0) return sum / static_cast<double>(running);
  if (!breakdown.vcpus.empty() || vcpus == 0) return std::nullopt;
  return std::min(1.0, breakdown.total[kHaltTime] / static_cast<double>(vcpus));
}

void add_breakdown(const VmBreakdown& breakdown, Isa isa, bool exits_counted, GuestSummary& guest) {
  const Rates& total = breakdown.total;
  guest.wakeups = total[kHalts];
  guest.halted = halted(breakdown, guest.vcpus);
  if (exits_counted) guest.exits = total[kExits];
  guest.cost = total[kHalts] + std::max(total[kExits], total[kMsrAccesses] + total[kTimerPrograms] +
                                                           total[kUserspaceExits]);
  guest.reason = cause(breakdown.reasons, breakdown.reasons.begin(),
                       [isa](std::uint32_t code) { return cause_names::reason(isa, code); });
  guest.msr = leading_msr(breakdown.msrs);
}

double sum(const std::vector<GuestSummary>& guests, std::optional<double> GuestSummary::*rate) {
  double sum = 0;
  for (const GuestSummary& guest : guests) sum += (guest.*rate).value_or(0);
  return sum;
}

/// Where a kind stands among those that may be found; last of one that is not known here.
std::size_t order_of(std::string_view kind) {
  for (std::size_t i = 0; i < kFindingKinds; ++i)
    if (finding_name(static_cast<FindingKind>(i)) == kind) return i;
  return kFindingKinds;
}

}  // namespace

GuestSummary summarize(const Vm& vm, Isa isa_of_host, bool exits_counted) {
  GuestSummary guest;
  guest.label = vm.label;
  guest.pid = vm.counts.key.tgid;
  guest.vcpus = count_vcpus(vm.counts);
  guest.tick_hertz = vm.diagnosis.tick_hertz;
  const Isa isa = vm.counts.isa == Isa::other ? isa_of_host : vm.counts.isa;
  if (vm.diagnosis.breakdown) add_breakdown(*vm.diagnosis.breakdown, isa, exits_counted, guest);
  // Where something happened and no vCPU is known that did it, none is known to run.
  const VmBreakdown* const breakdown = vm.diagnosis.breakdown.get();
  if (!breakdown || !breakdown->vcpus.empty() || guest.cost == 0)
    guest.running = vm.diagnosis.vcpus_running;
  guest.findings = summarize(vm.diagnosis.findings);
  return guest;
}

double HostSummary::exits() const { return sum(guests, &GuestSummary::exits); }
double HostSummary::wakeups() const { return sum(guests, &GuestSummary::wakeups); }

bool HostSummary::watched() const {
  return std::ranges::any_of(guests,
                             [](const GuestSummary& guest) { return guest.wakeups.has_value(); });
}

std::vector<FindingSummary> summarize(const std::vector<Finding>& findings) {
  std::vector<FindingSummary> summaries;
  summaries.reserve(findings.size());
  for (const Finding& finding : findings)
    summaries.push_back(
        {std::string(finding_name(finding.kind)), finding.held_seconds, describe(finding)});
  return summaries;
}

ExitCounting exit_counting(const Snapshot& snapshot) {
  const bool attached = std::ranges::any_of(snapshot.probes, [](const ProbeState& probe) {
    return probe.name == info_of(Event::exit).name && probe.attached;
  });
  if (!attached) return ExitCounting::not_counted;
  bool others = false;
  for (const Vm& vm : snapshot.vms) {
    if (!vm.counts.total.reasons.empty()) return ExitCounting::counted;
    others = others || events(vm.counts.total) > 0;
  }
  return others ? ExitCounting::not_raised : ExitCounting::counted;
}

HostSummary summarize(const Snapshot& snapshot) {
  HostSummary host{.cpus = snapshot.host.cpus,
                   .clock = snapshot.cpu_clock,
                   .exit_counting = exit_counting(snapshot),
                   .guests = {}};
  const bool exits_counted = host.exit_counting == ExitCounting::counted;
  for (const Vm& vm : snapshot.vms)
    if (!vm.excluded && !vm.ended())
      host.guests.push_back(summarize(vm, snapshot.host.isa, exits_counted));
  std::ranges::stable_sort(host.guests, [](const GuestSummary& one, const GuestSummary& other) {
    return std::tie(other.cost, one.label) < std::tie(one.cost, other.label);
  });
  return host;
}

std::vector<std::pair<const GuestSummary*, const FindingSummary*>> worst_first(
    const HostSummary& host) {
  std::vector<std::pair<const GuestSummary*, const FindingSummary*>> all;
  for (const GuestSummary& guest : host.guests)
    for (const FindingSummary& finding : guest.findings) all.emplace_back(&guest, &finding);
  std::ranges::stable_sort(all, {}, [](const auto& one) {
    return std::pair(order_of(one.second->kind), -one.second->held_seconds);
  });
  return all;
}

}  // namespace kvmx
