// SPDX-License-Identifier: Apache-2.0
#include <cctype>
#include <string>

#include "exporter/diagnosis/counters.h"
#include "exporter/diagnosis/finding.h"
#include "exporter/diagnosis/thresholds.h"
#include "exporter/diagnosis/window.h"
#include "exporter/diagnosis/words.h"
#include "exporter/names/exit_reasons.h"

namespace kvmx {
namespace {

using words::grouped;

std::string capital(std::string sentence) {
  sentence[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(sentence[0])));
  return sentence;
}

std::string on_host(const std::string& action) { return "First, on the host: " + action; }

std::string vcpus(const Evidence& seen) { return words::vcpus(seen.affected, seen.running); }

/// What one vCPU does, and what several do.
const char* verb(const Evidence& seen, const char* one, const char* several) {
  return seen.running == 1 ? one : several;
}

/// What the tick consists of, all vCPUs together.
std::string tick_total(const Evidence& seen) {
  const std::string wakeups = grouped(seen.wakeups) + " wake-ups a second";
  switch (seen.source) {
    case TickSource::programs:
      return grouped(seen.total) + " timer programmings and " + wakeups;
    case TickSource::arms:
      return grouped(seen.total) + " timer armings and " + wakeups;
    case TickSource::halts:
      break;
  }
  return wakeups + ", and no timer programmed for them";
}

std::string idle_yet_ticks(const Evidence& seen) {
  return "It is idle, yet its tick never stops: " + vcpus(seen) + verb(seen, " ticks", " tick") +
         " at " + grouped(seen.each) + " Hz or more (" + tick_total(seen) + ") while halted " +
         words::percent(seen.halted) + " of the time.";
}

std::string why_it_ticks(const Evidence& seen) {
  if (seen.source == TickSource::halts)
    return "Most likely its APIC timer is in periodic mode, since its virtual CPU lacks "
           "tsc-deadline "
           "or its kernel was booted with nohz=off; else interrupts keep waking it.";
  return "Most likely its kernel was booted with nohz=off, or cannot stop its tick.";
}

std::string exits_cost(const Evidence& seen) {
  return seen.cpus ? " Its exits take " + words::cpus(*seen.cpus) + "." : std::string();
}

/// Whom the tick wakes.
std::string woken(const Evidence& seen) {
  if (seen.host_cpus <= 1)
    return (seen.host_cpus == 1 ? "the host's one CPU " : "the host's CPUs ") +
           grouped(seen.wakeups) + " times a second";
  return "each of the host's " + std::to_string(seen.host_cpus) + " CPUs " +
         grouped(seen.wakeups / seen.host_cpus) + " times a second on average";
}

std::string kept_awake(const Evidence& seen) {
  return seen.host_cpus == 1 ? ", so that it neither sleeps deeply nor clocks down."
                             : ", so that they neither sleep deeply nor clock down.";
}

/// What that many wake-ups do to the CPUs they wake.
std::string awake(const Evidence& seen) {
  const bool much = seen.host_cpus > 0 && seen.wakeups >= threshold::kKeepsAwake * seen.host_cpus;
  return much ? kept_awake(seen) : ": not much yet, but a host full of such guests never sleeps.";
}

FindingText describe_storm(const Evidence& seen) {
  return {.seen = idle_yet_ticks(seen),
          .cost = "That wakes " + woken(seen) + kept_awake(seen) + exits_cost(seen),
          .likely = why_it_ticks(seen),
          .first = on_host("taskset -acp 0,1 " + std::to_string(seen.pid) +
                           " keeps its threads on two CPUs so that the others can sleep; then ask "
                           "its owner for /proc/cmdline.")};
}

FindingText describe_runaway(const Evidence& seen) {
  return {.seen = "Its timer runs away: " + vcpus(seen) + verb(seen, " sets", " set") + " it " +
                  grouped(seen.each) + " times a second or more (" + grouped(seen.total) +
                  " together) while halted " + words::percent(seen.halted) + " of the time.",
          .cost =
              "Each setting leaves the guest up to three times, and the guest itself most likely "
              "hangs." +
              exits_cost(seen),
          .likely =
              "Most likely its clock went wrong in a migration or a restore, and each timer "
              "has expired by the time it is set.",
          .first = on_host("perf stat -e 'kvm:*' -p " + std::to_string(seen.pid) +
                           " sleep 10 keeps the evidence; then have it restarted.")};
}

FindingText describe_idle_tick(const Evidence& seen) {
  if (seen.never_halts)
    return {
        .seen = capital(vcpus(seen)) + verb(seen, " ticks", " tick") + " at " + grouped(seen.each) +
                " Hz or more, and HLT never leaves the guest, so that "
                "idle and busy look alike.",
        .cost = "Its vCPUs keep their host CPUs to themselves either way." + exits_cost(seen),
        .likely = "Most likely it runs with cpu-pm=on or idle=poll, or it is busy all the time.",
        .first = on_host("look for cpu-pm=on in /proc/" + std::to_string(seen.pid) +
                         "/cmdline; then ask its owner for the guest's.")};
  return {.seen = idle_yet_ticks(seen),
          .cost = "That wakes " + woken(seen) + awake(seen) + exits_cost(seen),
          .likely = why_it_ticks(seen),
          .first = on_host("see which other guests tick while idle, since they may share an image; "
                           "then ask its owner for /proc/cmdline.")};
}

FindingText describe_msr_storm(const Evidence& seen) {
  const std::uint32_t index = seen.code.value_or(CodeCounter::kOther);
  const std::string what = index == CodeCounter::kOther ? "MSRs of all kinds" : words::msr(index);
  return {.seen = capital(vcpus(seen)) + verb(seen, " accesses", " access") + " MSRs " +
                  grouped(seen.each) + " times a second or more, mostly " + what + " (" +
                  grouped(seen.code_rate) + " a second).",
          .cost = seen.cpus ? "Every access leaves the guest, and they take " +
                                  words::cpus(*seen.cpus) + " of the host."
                            : "Every access leaves the guest, for a microsecond or more: " +
                                  words::cpus(seen.total / 1e6) + " of the host at least.",
          .likely = std::string(words::msr_cause(index)),
          .first = on_host("kvm_exit_exporter profile " + std::to_string(seen.pid) +
                           " shows which of its code does that; then ask its owner what began.")};
}

FindingText describe_exit_storm(const Evidence& seen) {
  const std::uint32_t code = seen.code.value_or(CodeCounter::kOther);
  const std::string reason =
      code == CodeCounter::kOther ? "other" : exit_reason_name(seen.isa, code);
  return {
      .seen = capital(vcpus(seen)) + verb(seen, " leaves", " leave") + " the guest " +
              grouped(seen.each) + " times a second or more, mostly by " + reason + " (" +
              grouped(seen.code_rate) + " a second).",
      .cost = "These exits take " + words::cpus(seen.cpus.value_or(0)) +
              " of the host, and as much from the guest.",
      .likely = std::string(words::exit_cause(reason)),
      .first = on_host("kvm_exit_exporter profile " + std::to_string(seen.pid) +
                       " shows which of its code makes it leave; then ask its owner what began.")};
}

/// Which port or page it is about.
std::string place_of(const Evidence& seen) {
  if (!seen.place) return "";
  return std::string(": it ") + (seen.place->write ? "writes " : "reads ") +
         words::place(*seen.place) + " " + grouped(seen.place->rate) + " times a second";
}

FindingText describe_vmm_storm(const Evidence& seen) {
  const std::uint32_t id = seen.code.value_or(CodeCounter::kOther);
  const std::string_view cause = seen.place ? words::place_cause(*seen.place) : "";
  return {
      .seen = capital(vcpus(seen)) + verb(seen, " returns", " return") + " to the VMM " +
              grouped(seen.each) + " times a second or more, mostly by " +
              words::userspace_exit(id) + " (" + grouped(seen.code_rate) + " a second)" +
              place_of(seen) + ".",
      .cost = "Each return costs several times an ordinary exit: they take " +
              words::cpus(seen.cpus.value_or(0)) + " of the host.",
      .likely = std::string(cause.empty() ? words::userspace_exit_cause(id) : cause),
      .first = on_host("perf record -e kvm:kvm_pio,kvm:kvm_mmio -p " + std::to_string(seen.pid) +
                       " sleep 2, and perf script shows which port or address.")};
}

FindingText describe_starving(const Evidence& seen) {
  return {.seen = capital(vcpus(seen)) + verb(seen, " waits", " wait") +
                  verb(seen, " for a CPU: it has ", " for a CPU: together they have ") +
                  words::cpus(seen.total) + verb(seen, " and waits for ", " and wait for ") +
                  words::cpus(seen.cpus.value_or(0)) + " more, " + words::percent(seen.waited) +
                  verb(seen, " of the time in which it wants one.",
                       " of the time in which they want one."),
          .cost = "The guest sees that as steal, and all that it does takes longer.",
          .likely =
              "Most likely the host has fewer CPUs than its guests want, or the quota or the "
              "CPUs that this guest may use are too few for it.",
          .first = on_host("cat /proc/pressure/cpu tells whether the host is short of CPUs, and "
                           "taskset -acp " +
                           std::to_string(seen.pid) + " and cpu.max of /proc/" +
                           std::to_string(seen.pid) + "/cgroup whether this guest is.")};
}

FindingText describe_lines(const Evidence& seen) {
  const bool rtc = seen.code == kRtcLine;
  const std::string pid = std::to_string(seen.pid);
  return {
      .seen = "Interrupt line " + std::to_string(seen.code.value_or(0)) + ", " +
              (rtc ? "the real-time clock's" : "that of the PIT or the HPET") + ", changes " +
              grouped(seen.code_rate) + " times a second, up and down.",
      .cost =
          "Each pulse wakes the VMM, whether or not the guest listens: its threads beside the "
          "vCPUs take " +
          words::cpus(seen.cpus.value_or(0)) + ".",
      .likely =
          rtc ? "Most likely it is a Windows guest without Hyper-V enlightenments, whose tick "
                "this clock is."
              : "Most likely a periodic HPET or PIT that its firmware or kernel has set and "
                "no longer uses, or its kernel has no other timer.",
      .first = on_host(
          rtc ? "tr '\\0' '\\n' < /proc/" + pid +
                    "/cmdline shows its CPU flags; hv-time and hv-stimer give it a better clock."
              : "tr '\\0' '\\n' < /proc/" + pid +
                    "/cmdline shows whether it has an HPET; hpet=off takes it away at its next "
                    "start.")};
}

FindingText describe_polling(const Evidence& seen) {
  const std::string cpus = words::cpus(seen.cpus.value_or(0));
  return {.seen = "The host polls for its wake-ups instead of sleeping: " + grouped(seen.wakeups) +
                  " wake-ups a second, halted " + words::percent(seen.halted) + " of the time.",
          .cost = "Polling takes " + cpus +
                  (seen.host_cpus > 0 ? " of the host's " + std::to_string(seen.host_cpus) : "") +
                  " at full clock.",
          .likely = "Most likely its vCPUs wake each other very often for very little, or tick.",
          .first = on_host("echo 50000 > /sys/module/kvm/parameters/halt_poll_ns ends most of it, "
                           "at some microseconds a wake-up for all guests.")};
}

}  // namespace

FindingText describe(const Finding& finding) {
  const Evidence& seen = finding.evidence;
  switch (finding.kind) {
    case FindingKind::timer_storm:
      return seen.runaway ? describe_runaway(seen) : describe_storm(seen);
    case FindingKind::idle_tick:
      return describe_idle_tick(seen);
    case FindingKind::msr_storm:
      return describe_msr_storm(seen);
    case FindingKind::exit_storm:
      return describe_exit_storm(seen);
    case FindingKind::vmm_storm:
      return describe_vmm_storm(seen);
    case FindingKind::cpu_starved:
      return describe_starving(seen);
    case FindingKind::interrupt_line_storm:
      return describe_lines(seen);
    case FindingKind::halt_poll_waste:
      return describe_polling(seen);
  }
  return {};
}

std::string sentences(const Finding& finding) {
  const FindingText text = describe(finding);
  return text.seen + ' ' + text.cost + ' ' + text.likely + ' ' + text.first;
}

std::string_view finding_name(FindingKind kind) {
  switch (kind) {
    case FindingKind::timer_storm:
      return "timer_storm";
    case FindingKind::exit_storm:
      return "exit_storm";
    case FindingKind::msr_storm:
      return "msr_storm";
    case FindingKind::vmm_storm:
      return "vmm_storm";
    case FindingKind::cpu_starved:
      return "cpu_starved";
    case FindingKind::interrupt_line_storm:
      return "interrupt_line_storm";
    case FindingKind::halt_poll_waste:
      return "halt_poll_waste";
    case FindingKind::idle_tick:
      return "idle_tick";
  }
  return "";
}

}  // namespace kvmx
