// SPDX-License-Identifier: Apache-2.0
#include "exporter/summary/columns.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>

#include "exporter/diagnosis/words.h"

namespace kvmx {
namespace {

using words::grouped;

std::string or_dash(const std::optional<double>& number) { return number ? grouped(*number) : "-"; }

std::string cause_text(const std::optional<LeadingCause>& cause) {
  return cause ? cause->name + ' ' + words::percent(cause->share) : "-";
}

std::string running_text(const GuestSummary& guest) {
  if (guest.vcpus == 0) return "-";
  const std::string vcpus = grouped(static_cast<double>(guest.vcpus));
  if (!guest.running) return "- of " + vcpus;
  return grouped(static_cast<double>(*guest.running)) + " of " + vcpus;
}

std::string findings_text(const GuestSummary& guest) {
  if (guest.findings.empty()) return "";
  const FindingSummary& worst = guest.findings.front();
  const std::string more =
      guest.findings.size() > 1 ? " +" + std::to_string(guest.findings.size() - 1) : "";
  return finding_title(worst) + ", " + duration(worst.held_seconds) + more;
}

constexpr std::array<GuestColumn, 8> kColumns = {{
    {"running", "running", true, running_text,
     [](const GuestSummary& guest) { return static_cast<double>(guest.running.value_or(0)); }},
    {"tick", "tick, Hz", true, [](const GuestSummary& guest) { return or_dash(guest.tick_hertz); },
     [](const GuestSummary& guest) { return guest.tick_hertz.value_or(-1); }},
    {"wakeups", "wake-ups/s", true,
     [](const GuestSummary& guest) { return or_dash(guest.wakeups); },
     [](const GuestSummary& guest) { return guest.wakeups.value_or(-1); }},
    {"exits", "exits/s", true, [](const GuestSummary& guest) { return or_dash(guest.exits); },
     [](const GuestSummary& guest) { return guest.exits.value_or(-1); }},
    {"reason", "top reason", false,
     [](const GuestSummary& guest) { return cause_text(guest.reason); },
     [](const GuestSummary& guest) { return guest.reason ? guest.reason->share : -1; }},
    {"msr", "top MSR", false, [](const GuestSummary& guest) { return cause_text(guest.msr); },
     [](const GuestSummary& guest) { return guest.msr ? guest.msr->share : -1; }},
    {"halted", "halted", true,
     [](const GuestSummary& guest) {
       return guest.halted ? words::percent(*guest.halted) : std::string("-");
     },
     [](const GuestSummary& guest) { return guest.halted.value_or(-1); }},
    {"finding", "finding", false, findings_text,
     [](const GuestSummary& guest) {
       double longest = 0;
       for (const FindingSummary& finding : guest.findings)
         longest = std::max(longest, finding.held_seconds);
       return longest;
     }},
}};

std::string gigahertz(double hertz) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2f GHz", hertz / 1e9);
  return text.data();
}

std::string clock_text(const std::optional<CpuClock>& clock) {
  if (!clock) return ", whose clock the kernel does not tell";
  std::string text = " at " + gigahertz(clock->mean_hertz) + " on average, the fastest at " +
                     gigahertz(clock->max_hertz);
  if (clock->limit_hertz > 0) text += " (" + gigahertz(clock->limit_hertz) + " is their most)";
  return text;
}

}  // namespace

std::span<const GuestColumn> guest_columns() { return kColumns; }

std::string finding_title(const FindingSummary& finding) {
  std::string title = finding.kind;
  std::ranges::replace(title, '_', ' ');
  return title;
}

std::string duration(double seconds) {
  constexpr double kMinute = 60;
  constexpr double kHour = 3600;
  constexpr double kDay = 24 * kHour;
  if (seconds < 2 * kMinute) return grouped(seconds) + " s";
  if (seconds < 2 * kHour) return grouped(std::floor(seconds / kMinute)) + " min";
  if (seconds < 2 * kDay) return grouped(std::floor(seconds / kHour)) + " h";
  return grouped(std::floor(seconds / kDay)) + " days";
}

std::string host_line(const HostSummary& host) {
  std::string line;
  if (host.cpus > 0)
    line = std::to_string(host.cpus) + (host.cpus == 1 ? " CPU" : " CPUs") +
           clock_text(host.clock) + ". ";
  const std::size_t guests = host.guests.size();
  line += guests == 1 ? "1 guest" : grouped(static_cast<double>(guests)) + " guests";
  if (!host.watched()) return line + ".";
  const std::string wakeups = grouped(host.wakeups()) + " wake-ups";
  return line + (guests == 1 ? " makes " : " make ") +
         (host.exit_counting == ExitCounting::counted ? grouped(host.exits()) + " exits and "
                                                      : "") +
         wakeups + " a second.";
}

std::string_view exits_note(ExitCounting counting) {
  switch (counting) {
    case ExitCounting::not_raised:
      return "Exits are not raised by this KVM: kvm_exit never fires, so they have no numbers.";
    case ExitCounting::not_counted:
      return "Exits are not counted: kvm_exit is not attached.";
    case ExitCounting::counted:
      break;
  }
  return "";
}

}  // namespace kvmx
