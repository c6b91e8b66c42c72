// SPDX-License-Identifier: Apache-2.0
#include "exporter/profile/advice.h"

#include <algorithm>
#include <optional>
#include <set>

#include "exporter/diagnosis/words.h"
#include "exporter/names/exit_reasons.h"
#include "exporter/names/msr.h"
#include "exporter/profile/instructions.h"

namespace kvmx {
namespace {

constexpr double kMuch = 0.1;  // of all exits

using words::percent;

/// The share of the exits at places for which `holds` is true.
template <typename Holds>
double share_of(const Report& report, Holds holds) {
  std::uint64_t exits = 0;
  for (const RankedPlace& ranked : report.ranking)
    if (holds(ranked)) exits += ranked.place.exits;
  return report.share(exits);
}

bool is_privileged(const Report& report, const Place& place) {
  const auto instruction = instruction_of(report.profile.isa, place);
  return instruction == Instruction::hlt || instruction == Instruction::wrmsr ||
         instruction == Instruction::rdmsr;
}

void add_halves(const Report& report, std::vector<std::string>& notes) {
  const double lower = share_of(
      report, [](const RankedPlace& ranked) { return half_of(ranked.place.rip) == Half::lower; });
  if (report.low_kernel) {
    notes.emplace_back(
        "Code in the lower half of the address space does what only a kernel may do: this is "
        "firmware, a boot loader, or an operating system that is not a 64-bit Linux or Windows.");
  } else if (lower >= kMuch) {
    notes.push_back(
        percent(lower) +
        " of the exits are made by programs of the guest, not by its kernel: look there "
        "which program is busy.");
  }
}

void add_first_place(const Report& report, std::vector<std::string>& notes) {
  const Place& first = report.ranking.front().place;
  const std::size_t vcpus = report.profile.vcpus;
  if (vcpus < 2 || report.share(first.exits) < kMuch) return;
  const std::string at = address_text(first.rip);
  const bool program = half_of(first.rip) == Half::lower && !report.low_kernel;
  if (first.vcpus == vcpus)
    notes.push_back((vcpus == 2 ? "Both" : "All " + std::to_string(vcpus)) + " vCPUs exit at " +
                    at +
                    (program ? ": the same program, or a library that several use."
                             : ": code that the kernel runs on every CPU, such as its tick or its "
                               "idle loop, rather than the work of one thread."));
  else
    notes.push_back("Of " + std::to_string(vcpus) + " vCPUs, " + std::to_string(first.vcpus) +
                    (first.vcpus == 1 ? " exits at " : " exit at ") + at +
                    ": the work of few threads, or of one device's interrupts.");
}

bool programs_timer(const Place& place) {
  return place.access == KVMX_ACCESS_MSR_WRITE &&
         (place.number == msrs::kTscDeadline || place.number == msrs::kX2apicTmict);
}

void add_timer(const Report& report, std::vector<std::string>& notes) {
  const double share =
      share_of(report, [](const RankedPlace& ranked) { return programs_timer(ranked.place); });
  if (share < kMuch) return;
  notes.push_back(
      percent(share) +
      " of the exits program the local timer. In Linux that is lapic_next_deadline (or "
      "lapic_next_event), which tick_sched_timer calls for the periodic tick and hrtimer_interrupt "
      "for timers of programs. A kernel built for Xen too, as Debian's is, writes MSRs in "
      "native_write_msr.");
}

/// What the leading exits are about that are neither for the timer nor for idleness.
void add_cause(const Report& report, std::vector<std::string>& notes) {
  const bool timer = std::ranges::any_of(
      report.ranking, [](const RankedPlace& ranked) { return programs_timer(ranked.place); });
  const auto is_explained = [&](const RankedPlace& ranked) {
    const Place& place = ranked.place;
    return programs_timer(place) || (timer && msr_of(place) == msrs::kX2apicEoi) ||
           instruction_of(report.profile.isa, place) == Instruction::hlt;
  };
  const auto found = std::ranges::find_if_not(report.ranking, is_explained);
  if (found == report.ranking.end() || report.share(found->place.exits) < kMuch) return;
  const std::string at = "At " + address_text(found->place.rip) + " it ";
  if (const auto msr = msr_of(found->place))
    notes.push_back(at + "accesses the " + words::msr(*msr) + ". " +
                    std::string(words::msr_cause(*msr)));
  else
    notes.push_back(
        at + "exits for " + exit_reason_name(report.profile.isa, found->place.reason) + ". " +
        std::string(words::exit_cause(exit_reason_name(report.profile.isa, found->place.reason))));
}

/// Devices of the PC that are known by their ports.
void add_port(const Report& report, std::vector<std::string>& notes) {
  struct Port {
    std::uint32_t first;
    std::uint32_t last;
    const char* what;
  };
  constexpr Port kPorts[] = {
      {0x20, 0x21, "the interrupt controller of the PC (8259)"},
      {0x40, 0x43, "the timer of the PC (8254)"},
      {0x60, 0x64, "the keyboard controller"},
      {0x70, 0x71, "the clock with the calendar (CMOS)"},
      {0x2f8, 0x2ff, "the second serial line"},
      {0x3f8, 0x3ff, "the first serial line, often a console"},
      {0x608, 0x60b, "the timer of ACPI: acpi_pm is its clock source"},
      {0xcf8, 0xcff, "the configuration of PCI devices"},
  };
  for (const Port& port : kPorts) {
    const double share = share_of(report, [&](const RankedPlace& ranked) {
      const auto number = port_of(ranked.place);
      return number && *number >= port.first && *number <= port.last;
    });
    if (share >= kMuch) notes.push_back(percent(share) + " of the exits access " + port.what + ".");
  }
}

void add_idle(const Report& report, std::vector<std::string>& notes) {
  const double share = share_of(report, [&](const RankedPlace& ranked) {
    return instruction_of(report.profile.isa, ranked.place) == Instruction::hlt;
  });
  if (share >= kMuch)
    notes.push_back(percent(share) +
                    " of the exits are halts: a vCPU goes idle, and what wakes it again is among "
                    "the other places.");
}

void add_counting(const Report& report, std::vector<std::string>& notes) {
  const Profile& profile = report.profile;
  if (profile.vms > 1)
    notes.push_back("This process has " + std::to_string(profile.vms) +
                    " VMs, whose exits are counted together.");
  if (profile.ended) notes.push_back("The VM has ended meanwhile.");
  if (profile.counts.missed != 0)
    notes.push_back("The kernel skipped the counting program " +
                    std::to_string(profile.counts.missed) + " times: so many exits are missing.");
}

}  // namespace

bool addresses_are_hidden(const Profile& profile) {
  constexpr std::size_t kReasons = 3;
  std::set<std::uint64_t> addresses;
  std::set<std::uint32_t> reasons;
  for (const PlaceCount& place : profile.counts.places) {
    addresses.insert(place.place.rip);
    reasons.insert(place.place.reason);
  }
  if (addresses.size() != 1) return false;
  return *addresses.begin() == 0 || reasons.size() >= kReasons;
}

bool has_low_kernel(const Report& report) {
  return std::ranges::any_of(report.ranking, [&](const RankedPlace& ranked) {
    return half_of(ranked.place.rip) == Half::lower && is_privileged(report, ranked.place);
  });
}

std::vector<std::string> advise(const Report& report) {
  std::vector<std::string> notes;
  if (report.ranking.empty()) return notes;
  add_halves(report, notes);
  add_first_place(report, notes);
  add_timer(report, notes);
  add_cause(report, notes);
  add_port(report, notes);
  add_idle(report, notes);
  add_counting(report, notes);
  return notes;
}

}  // namespace kvmx
