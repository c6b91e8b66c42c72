// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/fleet/model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <numbers>

#include "exporter/kernel/events.h"

namespace kvmx::bench {
namespace {

constexpr double kDay = 86'400;
/// All hosts were booted a while before the fleet began.
constexpr double kBooted = 40 * kDay;
/// --vm.linger's default.
constexpr double kLinger = 300;
/// Seconds of counting before the exporter finds anything.
constexpr double kWindow = 10;

/// Any number below 1, the same for the same arguments.
double fraction(std::uint64_t a, std::uint64_t b) {
  std::uint64_t mixed = (a << 32U) + b + 0x9e37'79b9'7f4a'7c15;  // splitmix64
  mixed = (mixed ^ (mixed >> 30U)) * 0xbf58'476d'1ce4'e5b9;
  mixed = (mixed ^ (mixed >> 27U)) * 0x94d0'49bb'1331'11eb;
  return static_cast<double>((mixed ^ (mixed >> 31U)) >> 11U) * 0x1p-53;
}

/// `time`, as a guest's load makes it pass: now faster, now slower, and never backwards.
double loaded(double time, double phase) {
  constexpr std::array<std::pair<double, double>, 2> kWaves = {{{700, 25}, {190, 5}}};
  double passed = time;
  for (const auto& [period, seconds] : kWaves)
    passed += seconds * std::sin(2 * std::numbers::pi * (time / period + phase));
  return passed;
}

std::string text(const char* format, auto... values) {
  std::array<char, 80> made;
  std::snprintf(made.data(), made.size(), format, values...);
  return made.data();
}

}  // namespace

struct Fleet::Stay {
  std::uint32_t host, home, slot;
  std::uint64_t turn;  ///< of a guest that travels, or of its slot
  double from, until;
  std::string name;
  Workload workload;
};

Fleet::Fleet(const FleetOptions& options, double began)
    : options_(options),
      began_(began),
      storms_begin_(options.storm_after < 0 ? HUGE_VAL : began + options.storm_after) {}

std::string Fleet::host_name(std::uint32_t host) { return text("kvm-%04u", host); }

double Fleet::exporter_start(std::uint32_t host, double now) const {
  const double every = options_.restart_every;
  if (every == 0) return began_ - kDay;
  const double phase = every * fraction(host, 1);
  return began_ + std::floor((now - began_ + phase) / every) * every - phase;
}

bool Fleet::storms(std::uint32_t home) const {
  // Those hosts at which the number of storms so far rises.
  const std::uint64_t storms = options_.storms;
  return (home + 1) * storms / options_.hosts > home * storms / options_.hosts;
}

Workload Fleet::workload_of(std::uint32_t slot) const {
  if (slot + 1 == options_.guests) return Workload::idle;  // until it storms
  if (slot % 20 == 1) return Workload::ticks;
  return slot % 3 == 0 ? Workload::idle : Workload::busy;
}

void Fleet::count(const Stay& stay, double from, double until, Vm& vm) const {
  const double phase = fraction(stay.home, stay.slot);
  const auto passed = [&](double since, double to) {
    return since < to ? loaded(to - began_, phase) - loaded(since - began_, phase) : 0;
  };
  const bool last = stay.slot + 1 == options_.guests;
  const double begin = last && storms(stay.home) ? storms_begin_.load() : HUGE_VAL;
  const double end = options_.storm_for == 0 ? HUGE_VAL : begin + options_.storm_for;
  const double storm = std::max(0.0, std::min(until, end) - std::max(from, begin));
  const double usual = passed(from, std::min(until, begin)) + passed(std::max(from, end), until);
  add_work(stay.workload, usual, options_.vcpus, vm.counts);
  if (storm > 0) add_work(Workload::storm, storm, options_.vcpus, vm.counts);

  const bool storms_now = storm > 0 && until < end;
  const Workload now = storms_now ? Workload::storm : stay.workload;
  const auto hold = [&](Workload workload, double since, double to) {
    const std::size_t kind = finding_of(workload);
    if (kind < kFindingKinds)
      vm.diagnosis.held_ns[kind] +=
          static_cast<std::uint64_t>(std::max(0.0, to - since) * kNanoseconds);
  };
  if (storm > 0) hold(Workload::storm, std::max(from, begin) + kWindow, std::min(until, end));
  hold(stay.workload, from + kWindow, until);
  if (vm.ended() || until - from < kWindow) return;
  vm.diagnosis.tick_hertz = tick_of(now);
  vm.diagnosis.vcpus_running = options_.vcpus;
}

void Fleet::add(const Stay& stay, double now, bool by_vcpu, Snapshot& snapshot) const {
  const double exporter = exporter_start(stay.host, now);
  if (now < stay.from || now >= stay.until + kLinger || exporter > stay.until) return;
  Vm& vm = snapshot.vms.emplace_back();
  const double booted = began_ - kBooted;
  vm.counts.key = {.tgid = static_cast<std::uint32_t>(2000 + stay.slot * 1000 + stay.turn % 1000),
                   .start_ns = static_cast<std::uint64_t>((stay.from - booted) * kNanoseconds),
                   .kvm = 1 + stay.slot};
  vm.counts.isa = Isa::vmx;
  vm.label = stay.name;
  const auto whose = static_cast<unsigned>(fraction(stay.home, stay.slot) * 40);
  const bool short_lived = stay.name.starts_with("job-");
  vm.identity.name = vm.identity.domain = stay.name;
  vm.identity.uuid = text("%08x-%04x-4000-8000-%012llx", stay.home, stay.slot % 0x10000,
                          short_lived ? static_cast<unsigned long long>(stay.turn) : 0ULL);
  vm.identity.vmm = "qemu";
  vm.identity.project = text("project-%02u", whose);
  vm.state = now >= stay.until ? VmState::lingering : VmState::live;
  vm.counts.listed = vm.ended() ? 0 : options_.vcpus;
  count(stay, std::max(stay.from, exporter), std::min(now, stay.until), vm);
  if (by_vcpu) split_by_vcpu(options_.vcpus, vm.counts);
}

void Fleet::add_travellers(std::uint32_t host, double now, bool by_vcpu, Snapshot& snapshot) const {
  const double every = options_.migrate_every;
  const std::uint32_t slot = options_.guests - 1;
  const auto travel = [&](std::uint32_t home, std::uint64_t turn, double from, double until) {
    add({host, home, slot, turn, from, until, text("vm-%04u-%02u", home, slot), workload_of(slot)},
        now, by_vcpu, snapshot);
  };
  if (every == 0) {
    travel(host, 0, began_ - kDay, HUGE_VAL);
    return;
  }
  // Who left within kLinger is still on the page.
  const auto last = static_cast<std::int64_t>(std::floor((now - began_) / every)) + 1;
  const auto first = last - 2 - static_cast<std::int64_t>(std::ceil(kLinger / every));
  const std::int64_t hosts = options_.hosts;
  for (std::int64_t turn = std::max<std::int64_t>(0, first); turn <= last; ++turn) {
    const auto home = static_cast<std::uint32_t>(((host - turn) % hosts + hosts) % hosts);
    const double arrives = began_ - every * fraction(home, 2) + every * static_cast<double>(turn);
    travel(home, static_cast<std::uint64_t>(turn), turn == 0 ? began_ - kDay : arrives,
           arrives + every);
  }
}

void Fleet::add_short_lived(std::uint32_t host, std::uint32_t slot, double now, bool by_vcpu,
                            Snapshot& snapshot) const {
  const double every = options_.churn_every;
  const double first = began_ - every * fraction(host, slot + 3);
  const auto last = static_cast<std::int64_t>(std::floor((now - first) / every));
  const auto oldest = last - 1 - static_cast<std::int64_t>(std::ceil(kLinger / every));
  for (std::int64_t turn = std::max<std::int64_t>(0, oldest); turn <= last; ++turn) {
    const double from = first + every * static_cast<double>(turn);
    add({host, host, slot, static_cast<std::uint64_t>(turn), from, from + every,
         text("job-%04u-%02u-%lld", host, slot, static_cast<long long>(turn)), workload_of(slot)},
        now, by_vcpu, snapshot);
  }
}

Snapshot Fleet::snapshot(std::uint32_t host, double now, bool by_vcpu) const {
  Snapshot made;
  made.vms.reserve(options_.guests + 2);
  const std::uint32_t short_lived = options_.churn_every == 0 ? 0 : options_.guests / 10;
  for (std::uint32_t slot = 0; slot + 1 < options_.guests; ++slot) {
    if (slot < short_lived) {
      add_short_lived(host, slot, now, by_vcpu, made);
    } else {
      add({host, host, slot, 0, began_ - kDay * (1 + 30 * fraction(host, slot)), HUGE_VAL,
           text("vm-%04u-%02u", host, slot), workload_of(slot)},
          now, by_vcpu, made);
    }
  }
  add_travellers(host, now, by_vcpu, made);
  made.host = {Isa::vmx, "6.1.0-28-amd64", "Y", "200000", 128};
  made.cpu_clock = {3.7e9, 2.1e9 + 1e7 * std::sin(now / 300 + host)};
  for (const EventInfo& event : kEvents) made.probes.push_back({std::string(event.name), true, 0});
  made.slots.used = options_.guests * options_.vcpus;
  made.slots.free = 4096;
  made.boot_time_ns = static_cast<std::uint64_t>((began_ - kBooted) * kNanoseconds);
  made.attached_ns = static_cast<std::uint64_t>(exporter_start(host, now) * kNanoseconds);
  return made;
}

SelfStats Fleet::self(std::uint32_t host, double now) const {
  const double start = exporter_start(host, now);
  constexpr double kMegabyte = 1e6;
  return {.last_scrape_seconds = 0.003 + 0.001 * fraction(host, static_cast<std::uint64_t>(now)),
          .last_series = std::size_t{options_.guests} * 77,
          .process = ProcessStats{.cpu_seconds = 0.004 * (now - start),
                                  .start_time_seconds = start,
                                  .resident_bytes = 38 * kMegabyte,
                                  .virtual_bytes = 160 * kMegabyte,
                                  .open_fds = 90,
                                  .max_fds = 524'288}};
}

}  // namespace kvmx::bench
