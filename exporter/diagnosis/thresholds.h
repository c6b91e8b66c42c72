// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

/// What makes a finding, and why. A rate is by the second; a cost is in CPUs, so 0.1 is a tenth of
/// one CPU's time. "Each" is what three quarters of a guest's running vCPUs reach.
namespace kvmx::threshold {

/// How much of the past is looked at. It holds ten ticks of the slowest kernel on every vCPU and a
/// thousand of the fastest, and is short enough to answer while one waits.
inline constexpr std::uint64_t kWindowNs = 10'000'000'000;

/// Rounds come once a second, and no timer is exact.
inline constexpr std::uint64_t kWindowSlackNs = 500'000'000;

/// Rounds closer together than this are one round: the housekeeper is also woken by new vCPUs.
inline constexpr std::uint64_t kShortestRoundNs = 950'000'000;

/// The share of a guest's running vCPUs that a finding is about. A tick is on every vCPU, but one
/// of them may be busy, offline or unplugged; and the work of one vCPU is not the guest's.
inline constexpr double kMost = 0.75;

/// The share of a threshold that each single second of the window must reach. Averages alone would
/// call a boot of three seconds a storm of ten.
inline constexpr double kEverySecond = 0.5;

/// A tick, each. Kernels tick at 100 Hz or more, of which a vCPU that shares its CPU loses some; an
/// idle kernel that stops its tick programs its timer about 14 times a second.
inline constexpr double kTickHertz = 90;

/// Timer programmings or armings below this, each, are none. A kernel sets up a periodic APIC timer
/// once, and then only halts tell of its tick.
inline constexpr double kProgramsNone = 1;

/// KVM's own armings stand in for MSR writes that nobody has seen for so long: the guest's timer is
/// not an MSR (xAPIC). Not earlier, since KVM also arms the timer of a guest that merely wakes up.
inline constexpr double kArmsStandInSeconds = 300;

/// Halted share of the running vCPUs' time from which a guest is idle. A guest that ticks at 1000
/// Hz and does nothing is halted for 90 % or more, also where its host is contended for 80 %; a
/// guest at work on half its vCPUs is not idle.
inline constexpr double kIdle = 0.7;

/// A guest of which no vCPU has halted for so long does not halt by HLT (cpu-pm=on, idle=poll), or
/// is busy all the time; the two look alike. Guests that work do halt some vCPU once a minute.
inline constexpr double kNeverHaltsSeconds = 60;

/// Wake-ups of a host CPU from which it neither sleeps deeply nor clocks down: 5 ms apart, less
/// than the deepest sleep is worth.
inline constexpr double kKeepsAwake = 200;

/// Wake-ups or programmings of all vCPUs together from which an idle guest's tick is a storm: this
/// keeps some fifty CPUs of its host awake.
inline constexpr double kStormTotal = 10'000;

/// A timer that runs away, each: neither a tick nor work programs the timers of most vCPUs each 50
/// microseconds. A guest frozen by a bad migration does 92,000 (Launchpad 1831225).
inline constexpr double kRunawayHertz = 20'000;

/// The same, each, of a guest of which no vCPU has halted for kNeverHaltsSeconds: spread over eight
/// vCPUs, the 92,000 of a frozen guest are 11,500 each. A guest that paces its network by timers as
/// often halts now and then.
inline constexpr double kRunawayUnhaltedHertz = 10'000;

/// What an exit costs at least and at most. Its handling is measured from exit to entry, which
/// leaves out the switches themselves; and an average above the most is not work, but a vCPU that
/// lost its CPU or slept on memory in between.
inline constexpr double kExitLeastSeconds = 1e-6;
inline constexpr double kExitMostSeconds = 20e-6;

/// What a return to the VMM costs at least and at most: the system call and the VMM's own lock;
/// above the most the VMM does not work, but waits.
inline constexpr double kUserspaceExitLeastSeconds = 5e-6;
inline constexpr double kUserspaceExitMostSeconds = 50e-6;

/// Accesses to one MSR, each: at a microsecond or more apiece they cost a fortieth of every vCPU's
/// CPU. A busy guest sends some thousand interrupts a second between its vCPUs, and ticks.
inline constexpr double kMsrStormHertz = 25'000;

/// Cost of exits, each: 50,000 ordinary ones of two microseconds a second. Databases and routers do
/// 20,000.
inline constexpr double kExitStormCpus = 0.1;

/// Cost of returns to the VMM, each: 10,000 quick ones a second, or 1,000 that keep the VMM busy.
/// Paravirtual devices need some hundred.
inline constexpr double kVmmStormCpus = 0.05;

/// The share of one MSR, or one reason to return to the VMM, from which it is named as the cause.
inline constexpr double kOneCause = 2.0 / 3;

/// The share of one port, or one page, from which it is named: devices with an index and a data
/// port have half of their accesses at each.
inline constexpr double kOnePlace = 0.4;

/// The share of the time in which a guest's vCPUs want a CPU that they wait for one. A tenth is
/// what people set alarms on steal at: requests of a busy guest begin to queue.
inline constexpr double kStarved = 0.1;

/// CPUs that they wait for, all vCPUs together. At each wake-up a vCPU waits for some microseconds;
/// of an idle guest that is a large share of next to nothing.
inline constexpr double kStarvedCpus = 0.1;

/// CPUs that all vCPUs together must have got, of a guest whose vCPUs halt. One that only ticks
/// waits for its turn at each tick, which on a full host is nearly all of the time in which it
/// wants a CPU, and yet nothing of it is late: eight vCPUs that tick at 250 Hz run for a fiftieth
/// of a CPU.
inline constexpr double kStarvedAtWork = 0.1;

/// Halts a second, of a vCPU on average, below which a guest does not come to rest. It wants more
/// than it gets however little that is: one under a quota may have a hundredth of a CPU.
inline constexpr double kRestlessHertz = 1;

/// Changes of the interrupt line of a PC's timer: the slowest tick, up and down. Windows' clock
/// interrupt of 64 Hz is below it. Each pulse is the VMM's main loop awake.
inline constexpr double kLineStormHertz = 180;

/// CPUs spent polling for wake-ups, by all vCPUs together. Below one CPU the latency that polling
/// saves is worth it.
inline constexpr double kPollCpus = 1;

/// From these rates on the causes of a guest's exits, MSR accesses and userspace exits are
/// compared, to name the one that prevails. Each is half of the lowest rate that can be a storm.
inline constexpr double kSuspectExits = 0.5 * kExitStormCpus / kExitMostSeconds;
inline constexpr double kSuspectMsrAccesses = 0.5 * kMsrStormHertz;
inline constexpr double kSuspectUserspaceExits = 0.5 * kVmmStormCpus / kUserspaceExitMostSeconds;

}  // namespace kvmx::threshold
