// SPDX-License-Identifier: Apache-2.0
#include "exporter/diagnosis/history.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>

#include "exporter/diagnosis/thresholds.h"

namespace kvmx {
namespace {

constexpr double kNsPerSecond = 1e9;
constexpr double kUsPerSecond = 1e6;

std::uint32_t low(std::uint64_t count) { return static_cast<std::uint32_t>(count); }
std::uint32_t us(std::uint64_t ns) { return low(ns / 1000); }

constexpr bool is_time(std::size_t counter) {
  return counter == kExitTime || counter == kHaltTime || counter == kPollTime ||
         counter == kUserspaceTime || counter == kCpuTime || counter == kRunDelay;
}

/// Interrupt lines that a PC's timers raise: the PIT 0, which is 2 for an HPET and for some guests,
/// and the real-time clock 8, as ISA has it.
constexpr bool is_timer_line(std::uint32_t gsi) { return gsi == 0 || gsi == 2 || gsi == kRtcLine; }

template <typename Counts>
Rates rates_of(const Counts& counts, double seconds) {
  Rates rates{};
  for (std::size_t i = 0; i < kCounters; ++i)
    rates[i] = static_cast<double>(counts[i]) / (is_time(i) ? kUsPerSecond : 1) / seconds;
  // A halt moves an armed VMX timer to the host's, and the next entry back: that is one timer.
  rates[kTimerArms] = std::max(rates[kTimerArms], rates[kTimerArmsHv]);
  return rates;
}

template <typename Sample>
Sample difference(const Sample& now, const Sample& before) {
  Sample moved;
  for (std::size_t i = 0; i < kCounters; ++i) moved[i] = now[i] - before[i];
  return moved;
}

/// Whether a counter stepped back. Of a sleep that turns out to have lasted for hours, too, which
/// does no harm.
template <typename Sample>
bool stepped_back(const Sample& moved) {
  std::uint32_t bits = 0;
  for (const std::uint32_t count : moved) bits |= count;
  return (bits >> 31U) != 0;
}

}  // namespace

void RoundTimes::begin(std::uint64_t now_ns) {
  const std::uint64_t last = time_ns(current_);
  ++current_;
  const bool gap = now_ns <= last || now_ns - last > threshold::kWindowNs;
  if (gap) first_ = current_;
  times_[current_ % kRounds] = now_ns;
}

std::optional<std::uint64_t> RoundTimes::window_start() const {
  const std::uint64_t now = time_ns(current_);
  for (std::uint64_t back = 1; back < kRounds && current_ - back + 1 > first_; ++back) {
    const std::uint64_t round = current_ - back;
    if (now - time_ns(round) >= threshold::kWindowNs - threshold::kWindowSlackNs) return round;
  }
  return std::nullopt;
}

double RoundTimes::seconds(std::uint64_t from, std::uint64_t to) const {
  return static_cast<double>(time_ns(to) - time_ns(from)) / kNsPerSecond;
}

VmHistory::Sample VmHistory::sample_of(const VcpuCounters& counters) {
  Sample sample;
  sample[kExits] = low(counters.exits);
  sample[kExitTime] = us(counters.exit_ns);
  sample[kTimerPrograms] = low(counters.timer_programs);
  sample[kTimerArms] = low(counters.timer_arms_sw);
  sample[kTimerArmsHv] = low(counters.timer_arms_hv);
  sample[kHalts] = low(counters.halts);
  sample[kHaltTime] = us(counters.halt_ns);
  sample[kPollTime] = us(counters.poll_ns);
  sample[kMsrAccesses] = low(counters.msr_accesses);
  sample[kUserspaceExits] = low(counters.userspace_exits);
  sample[kUserspaceTime] = us(counters.userspace_ns);
  sample[kCpuTime] = us(counters.cpu_ns);
  sample[kRunDelay] = us(counters.run_delay_ns);
  return sample;
}

/// Whether a vCPU that moved its counters so far has run. A vCPU that sleeps has nothing but the
/// time it is halted for.
bool VmHistory::runs(const Sample& moved, const HostFacts& host) {
  if (host.exits_counted) return moved[kExits] != 0;
  for (std::size_t i = 0; i < kCounters; ++i)
    if (!is_time(i) && moved[i] != 0) return true;
  return false;
}

void VmHistory::start_again(const RoundTimes& times) {
  since_ = times.current();
  halted_ns_ = times.time_ns(since_);
  for (Vcpu& vcpu : vcpus_) vcpu.since = since_;
  causes_.reset();
}

/// Gives each vCPU of the VM its place. One that is new has no history; if one is no more, its
/// counts may have gone to another.
void VmHistory::match_vcpus(const VmCounters& vm, const RoundTimes& times) {
  if (std::ranges::equal(vcpus_, vm.vcpus, {}, &Vcpu::id, &VcpuCounters::id)) return;
  std::vector<Vcpu> matched(vm.vcpus.size());
  auto old = vcpus_.begin();
  std::size_t kept = 0;
  for (std::size_t i = 0; i < matched.size(); ++i) {
    while (old != vcpus_.end() && old->id < vm.vcpus[i].id) ++old;
    if (old != vcpus_.end() && old->id == vm.vcpus[i].id) {
      matched[i] = *old;
      ++kept;
    } else {
      matched[i].id = vm.vcpus[i].id;
      matched[i].since = times.current();
    }
  }
  const bool lost = kept < vcpus_.size();
  vcpus_ = std::move(matched);
  if (lost) start_again(times);
}

void VmHistory::record(const VmCounters& vm, const RoundTimes& times, const HostFacts& host) {
  const std::uint64_t round = times.current();
  if (vm.isa != Isa::other) isa_ = vm.isa;
  if (since_ < times.first()) start_again(times);
  match_vcpus(vm, times);
  reasons_.record(vm.reasons, round);
  msrs_.record(vm.msrs, round);
  timer_msrs_.record(vm.timer_msrs, round);
  userspace_exits_.record(vm.userspace_exits, round);
  intervals_.record(vm.intervals, round);
  lines_.record(vm.lines, round);
  places_.record(vm.io, round);
  std::ranges::transform(vm.threads_ns, threads_us_[round % kRounds].begin(), us);
  Sums moved{};
  std::size_t running = 0;
  bool back = false;
  for (std::size_t i = 0; i < vcpus_.size(); ++i) {
    Vcpu& vcpu = vcpus_[i];
    Sample& now = vcpu.samples[round % kRounds];
    now = sample_of(vm.vcpus[i]);
    if (vcpu.since == round) continue;
    const Sample step = difference(now, vcpu.samples[(round - 1) % kRounds]);
    back = back || stepped_back(step);
    if (vcpu.id && runs(step, host)) ++running;
    for (std::size_t counter = 0; counter < kCounters; ++counter) moved[counter] += step[counter];
  }
  if (back) {
    start_again(times);
  } else {
    note(moved, running, vm, times);
  }
}

/// Remembers what the last second says of more than ten.
void VmHistory::note(const Sums& moved, std::size_t running, const VmCounters& vm,
                     const RoundTimes& times) {
  const std::uint64_t round = times.current();
  const std::uint64_t now = times.time_ns(round);
  if (moved[kHalts] != 0) halted_ns_ = now;
  if (moved[kTimerPrograms] != 0) programmed_ns_ = now;
  if (since_ == round) return;
  const Rates rates = rates_of(moved, times.seconds(round - 1, round));
  const double vcpus = static_cast<double>(most_of(std::max<std::size_t>(running, 1)));
  const bool suspect = rates[kExits] >= threshold::kSuspectExits * vcpus ||
                       rates[kMsrAccesses] >= threshold::kSuspectMsrAccesses * vcpus ||
                       rates[kUserspaceExits] >= threshold::kSuspectUserspaceExits * vcpus;
  if (!suspect) {
    causes_.reset();
    return;
  }
  if (!causes_) causes_ = std::make_unique<Causes>();
  causes_->record(vm, now);
}

ThreadCpus VmHistory::thread_cpus(std::uint64_t from, std::uint64_t to, double seconds) const {
  ThreadCpus cpus{};
  for (std::size_t kind = 0; kind < kThreadKinds; ++kind) {
    const std::uint32_t moved = threads_us_[to % kRounds][kind] - threads_us_[from % kRounds][kind];
    cpus[kind] = moved / kUsPerSecond / seconds;
  }
  return cpus;
}

/// What all vCPUs did between two rounds. A vCPU that was not there yet did nothing.
VmHistory::Sums VmHistory::moved(std::uint64_t from, std::uint64_t to) const {
  Sums sums{};
  for (const Vcpu& vcpu : vcpus_) {
    if (vcpu.since > from) continue;
    const Sample step = difference(vcpu.samples[to % kRounds], vcpu.samples[from % kRounds]);
    for (std::size_t i = 0; i < kCounters; ++i) sums[i] += step[i];
  }
  return sums;
}

Rates VmHistory::rates(std::uint64_t from, std::uint64_t to, const RoundTimes& times) const {
  return rates_of(moved(from, to), times.seconds(from, to));
}

std::optional<TimerLine> VmHistory::timer_line(std::uint64_t from, std::uint64_t to,
                                               const RoundTimes& times) const {
  std::optional<TimerLine> most;
  for (const CodeRate& line : lines_.rates(from, to, times.seconds(from, to)))
    if (is_timer_line(line.code) && (!most || line.rate > most->rate))
      most = {line.code, line.rate, line.rate};
  for (std::uint64_t round = from; most && round < to; ++round) {
    double rate = 0;
    for (const CodeRate& line : lines_.rates(round, round + 1, times.seconds(round, round + 1)))
      if (line.code == most->gsi) rate = line.rate;
    most->weakest = std::min(most->weakest, rate);
  }
  return most;
}

std::optional<VmWindow> VmHistory::window(const RoundTimes& times, const HostFacts& host) const {
  const std::optional<std::uint64_t> start = times.window_start();
  if (!start || since_ > *start) return std::nullopt;
  const std::uint64_t round = times.current();
  const double seconds = times.seconds(*start, round);
  VmWindow made;
  made.pid = key_.tgid;
  made.isa = isa_ == Isa::other ? host.isa : isa_;
  for (const Vcpu& vcpu : vcpus_) {
    if (vcpu.since > *start || !vcpu.id) continue;
    ++made.vcpus;
    const Sample step = difference(vcpu.samples[round % kRounds], vcpu.samples[*start % kRounds]);
    if (runs(step, host)) made.running.push_back(rates_of(step, seconds));
  }
  made.total = rates(*start, round, times);
  made.weakest.fill(std::numeric_limits<double>::infinity());
  for (std::uint64_t from = *start; from < round; ++from) {
    const Rates second = rates(from, from + 1, times);
    for (std::size_t i = 0; i < kCounters; ++i)
      made.weakest[i] = std::min(made.weakest[i], second[i]);
  }
  const std::uint64_t half = (*start + round) / 2;
  const Rates first = half > *start ? rates(*start, half, times) : made.total;
  const Rates second = rates(half, round, times);
  for (std::size_t i = 0; i < kCounters; ++i) made.weaker_half[i] = std::min(first[i], second[i]);
  made.line = timer_line(*start, round, times);
  const ThreadCpus threads = thread_cpus(*start, round, seconds);
  made.device_cpus = threads[static_cast<std::size_t>(ThreadKind::vmm)] +
                     threads[static_cast<std::size_t>(ThreadKind::pit)];
  const std::uint64_t now = times.time_ns(round);
  made.since_halt = static_cast<double>(now - halted_ns_) / kNsPerSecond;
  made.since_program = programmed_ns_ ? static_cast<double>(now - *programmed_ns_) / kNsPerSecond
                                      : std::numeric_limits<double>::infinity();
  if (causes_) causes_->name(made);
  return made;
}

std::shared_ptr<const VmBreakdown> VmHistory::breakdown(const RoundTimes& times,
                                                        const HostFacts& host) const {
  const std::optional<std::uint64_t> start = times.window_start();
  if (!start || since_ > *start) return nullptr;
  const std::uint64_t round = times.current();
  const double seconds = times.seconds(*start, round);
  auto made = std::make_shared<VmBreakdown>();
  made->vcpus.reserve(vcpus_.size());
  for (const Vcpu& vcpu : vcpus_) {
    if (vcpu.since > *start || !vcpu.id) continue;
    const Sample step = difference(vcpu.samples[round % kRounds], vcpu.samples[*start % kRounds]);
    made->vcpus.push_back({*vcpu.id, runs(step, host), rates_of(step, seconds)});
  }
  made->total = rates_of(moved(*start, round), seconds);
  const auto by_rate = [](std::vector<CodeRate> rates) {
    std::ranges::stable_sort(rates, std::greater(), &CodeRate::rate);
    return rates;
  };
  made->reasons = by_rate(reasons_.rates(*start, round, seconds));
  made->msrs = msrs_.rates(*start, round, seconds);
  const std::vector<CodeRate> timers = timer_msrs_.rates(*start, round, seconds);
  made->msrs.insert(made->msrs.end(), timers.begin(), timers.end());
  made->msrs = by_rate(std::move(made->msrs));
  made->userspace_exits = by_rate(userspace_exits_.rates(*start, round, seconds));
  made->intervals = intervals_.rates(*start, round, seconds);
  made->lines = by_rate(lines_.rates(*start, round, seconds));
  made->places = places_.rates(*start, round, seconds);
  made->threads = thread_cpus(*start, round, seconds);
  return made;
}

}  // namespace kvmx
