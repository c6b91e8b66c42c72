// SPDX-License-Identifier: Apache-2.0
// Which guests have a finding, and which have none: guests as people measured them, each for 20 s.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "tests/unit/diagnosis/simulated_host.h"

namespace kvmx {
namespace {

using Names = std::set<std::string>;

/// The first `some` vCPUs of a guest go on; the others do not run, or do what `others` says.
Guest only(std::size_t some, Guest guest, const Doing& others = {}) {
  std::fill(guest.vcpus.begin() + static_cast<std::ptrdiff_t>(some), guest.vcpus.end(), others);
  return guest;
}

/// A vCPU that ticks while idle, seen by TSC_DEADLINE.
Doing ticking(double hertz, double halted = 0.95) {
  return {.programs = hertz,
          .arms = 2 * hertz,
          .halts = hertz,
          .halted = halted,
          .exits = 2 * hertz,
          .exit_us = 1.5};
}

/// The guest of the story: nohz=off at 1000 Hz, and its twin in health.
const Doing kStory = {.programs = 33'160,
                      .arms = 66'120,
                      .halts = 33'030,
                      .halted = 30.2,
                      .exits = 66'300,
                      .exit_us = 1.2};
const Doing kHealthy = {
    .programs = 452, .arms = 570, .halts = 139, .halted = 31.8, .exits = 645, .exit_us = 1.2};
/// Launchpad 1831225: a guest frozen by a migration. Its timer leaves the guest three times.
const Doing kFrozen = {.programs = 92'274, .arms = 92'274, .exits = 277'006, .exit_us = 1.8};

const Doing kBusy = {
    .programs = 1000, .arms = 1000, .halts = 150, .halted = 0.02, .exits = 3000, .exit_us = 2};
const Doing kPeriodic = {.halts = 250, .halted = 0.97, .exits = 250};

struct Case {
  const char* name;
  Guest guest;
  Names expected;
};

class Findings : public testing::TestWithParam<Case> {};

TEST_P(Findings, AreAsExpected) {
  SimulatedHost host;
  host.run(1, GetParam().guest);
  host.pass(20);
  EXPECT_EQ(host.findings(1), GetParam().expected);
  for (const Finding& finding : host.diagnosis(1).findings) {
    const std::string text = sentences(finding);
    EXPECT_EQ(text.find("nan"), std::string::npos) << text;
    EXPECT_EQ(text.find("inf"), std::string::npos) << text;
    RecordProperty(std::string(finding_name(finding.kind)), text);
    if (std::getenv("KVMX_SHOW")) std::cout << GetParam().name << ": " << text << '\n';
  }
}

INSTANTIATE_TEST_SUITE_P(
    Ticks, Findings,
    testing::Values(
        Case{"Story", shared_by(32, kStory), {"timer_storm"}},
        Case{"StoryInHealth", shared_by(32, kHealthy), {}},
        Case{"OneIdleVcpu", guest_of(1, ticking(1000)), {"idle_tick"}},
        Case{"FourIdleVcpusAt250Hz", guest_of(4, ticking(250)), {"idle_tick"}},
        Case{"SlowestKernel", guest_of(4, ticking(100)), {"idle_tick"}},
        Case{"BelowATick", guest_of(64, ticking(80)), {}},
        Case{"ContendedHost", guest_of(8, ticking(720, 0.8)), {"idle_tick"}},
        Case{"ManyVcpusAt250Hz", guest_of(64, ticking(250)), {"timer_storm"}},
        Case{"ManyVcpusJustBelow", guest_of(64, ticking(150)), {"idle_tick"}},
        Case{"PeriodicTimer", guest_of(64, kPeriodic), {"timer_storm"}},
        Case{"PeriodicTimerOfFewVcpus", guest_of(4, kPeriodic), {"idle_tick"}},
        Case{"TimerIsNoMsr",
             guest_of(4, {.arms = 250, .halts = 250, .halted = 0.97, .exits = 500}),
             {"idle_tick"}},
        Case{"AllButOneOf32", only(31, guest_of(32, ticking(1000))), {"timer_storm"}},
        Case{"AllButOneOf128", only(127, guest_of(128, ticking(1000))), {"timer_storm"}},
        Case{"AllButOneWhichIsBusy", only(31, guest_of(32, ticking(1000)), kBusy), {"timer_storm"}},
        Case{"AllButOneWhichIsIdle", only(31, guest_of(32, ticking(1000)), kIdle), {"timer_storm"}},
        Case{"TwoThirdsOnly", only(20, guest_of(30, ticking(1000)), kIdle), {}},
        Case{"MostAreParked", only(12, guest_of(32, ticking(1000))), {"timer_storm"}},
        Case{"OneRunsOneTicks", only(1, guest_of(4, ticking(1000))), {"idle_tick"}}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Runaways, Findings,
    testing::Values(
        Case{"FrozenGuest", guest_of(8, kFrozen), {"timer_storm"}},
        Case{"FrozenGuestOfOneVcpu", guest_of(1, kFrozen), {"timer_storm"}},
        Case{"FrozenOnItsOnlyRunningVcpu", only(1, guest_of(8, kFrozen)), {"timer_storm"}},
        Case{"OneHotVcpuOfFour", only(1, guest_of(4, kFrozen), kIdle), {}},
        Case{
            "PacedNetwork",
            guest_of(
                4,
                {.programs = 15'000, .halts = 500, .halted = 0.1, .exits = 30'000, .exit_us = 1.5}),
            {}},
        // Not before it is known that none halts.
        Case{"FrozenOverEightVcpusForTwentySeconds", shared_by(8, kFrozen), {}}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Work, Findings,
    testing::Values(
        Case{"Busy", guest_of(4, kBusy), {}},
        Case{"OneHotVcpu", only(1, guest_of(4, kBusy), kIdle), {}},
        Case{"SleepsAMillisecondOnOneVcpu", only(1, guest_of(4, ticking(900)), kIdle), {}},
        Case{"WokenByInterrupts",
             guest_of(4, {.programs = 30,
                          .arms = 1000,
                          .halts = 850,
                          .halted = 0.8,
                          .exits = 2000,
                          .exit_us = 2}),
             {}},
        Case{"HalfIdle", guest_of(32, ticking(1000, 0.5)), {}},
        Case{"Database",
             guest_of(16, {.programs = 3000,
                           .halts = 4000,
                           .halted = 0.3,
                           .exits = 20'000,
                           .exit_us = 2.5,
                           .msr = 4000}),
             {}},
        // Four vCPUs wait for one CPU: long exits are not work, and not each guest's own fault.
        Case{"Overcommitted",
             guest_of(8, {.programs = 250, .halted = 0.1, .exits = 1500, .exit_us = 500}),
             {}},
        // Halts of an encrypted guest are vmgexits; their time is left out.
        Case{"IdleAndEncrypted",
             guest_of(16, {.programs = 10, .halts = 12, .halted = 0.99, .exits = 40}),
             {}},
        Case{"Paused", guest_of(4, {.userspace_exits = 0, .vmm_us = 0}), {}}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Storms, Findings,
    testing::Values(
        Case{"FaultingReads",
             guest_of(
                 32,
                 {.programs = 300, .exits = 31'000, .exit_us = 1.1, .msr = 30'000, .reason = 31}),
             {"msr_storm"}},
        Case{"FewReads", guest_of(32, {.exits = 21'000, .exit_us = 1.1, .msr = 20'000}), {}},
        Case{"ReadsOnOneVcpu",
             only(1, guest_of(4, {.exits = 90'000, .exit_us = 1, .msr = 90'000}), kIdle),
             {}},
        Case{
            "Cpuid", guest_of(4, {.exits = 120'000, .exit_us = 0.8, .reason = 10}), {"exit_storm"}},
        Case{"PageFaults", guest_of(4, {.exits = 8000, .exit_us = 60}), {"exit_storm"}},
        Case{"ExitsOfOneVcpu", only(1, guest_of(4, {.exits = 120'000, .exit_us = 1}), kIdle), {}},
        Case{"EmulatedDisplay",
             guest_of(2, {.exits = 12'000,
                          .exit_us = 8,
                          .userspace_exits = 11'000,
                          .vmm_us = 6,
                          .vmm_reason = 6}),
             {"vmm_storm"}},
        Case{"SlowVmm",
             guest_of(2, {.exits = 2000, .exit_us = 45, .userspace_exits = 1500, .vmm_us = 40}),
             {"vmm_storm"}},
        Case{"ParavirtualDisk",
             guest_of(2, {.exits = 9000, .exit_us = 4, .userspace_exits = 500, .vmm_us = 15}),
             {}},
        // The VMM has the interrupt controller: what it does after a halt is wait.
        Case{"HaltsInTheVmm",
             guest_of(2, {.programs = 30,
                          .exits = 1500,
                          .userspace_exits = 1200,
                          .vmm_us = 700,
                          .vmm_reason = 5}),
             {}},
        Case{"Polling",
             guest_of(64, {.programs = 40,
                           .halts = 5000,
                           .halted = 0.6,
                           .polled = 0.2,
                           .exits = 6000,
                           .exit_us = 1}),
             {"halt_poll_waste"}},
        Case{"LittlePolling",
             guest_of(4, {.programs = 40,
                          .halts = 3000,
                          .halted = 0.6,
                          .polled = 0.2,
                          .exits = 4000,
                          .exit_us = 1}),
             {}}),
    [](const auto& info) { return info.param.name; });

TEST(FindingNumbers, AreThoseOfTheStory) {
  SimulatedHost host;
  host.run(1, shared_by(32, kStory));
  host.pass(30);
  const Finding* const storm = host.finding(1, FindingKind::timer_storm);
  ASSERT_NE(storm, nullptr);
  const Evidence& seen = storm->evidence;
  EXPECT_EQ(seen.running, 32U);
  EXPECT_EQ(seen.affected, 32U);
  EXPECT_NEAR(seen.each, 1036, 1);
  EXPECT_NEAR(seen.total, 33'160, 40);
  EXPECT_NEAR(seen.wakeups, 33'030, 40);
  EXPECT_NEAR(seen.halted, 0.944, 0.001);
  EXPECT_NEAR(seen.cpus.value_or(0), 66'300 * 1.2e-6, 0.001);
  EXPECT_NEAR(host.diagnosis(1).tick_hertz.value_or(0), 1036, 1);
  EXPECT_EQ(host.diagnosis(1).vcpus_running, 32U);
}

TEST(FindingNumbers, AreOfTheQuarterThatIsLeftOut) {
  SimulatedHost host;
  Guest guest = guest_of(4, ticking(1000));
  guest.vcpus[2] = ticking(300);
  guest.vcpus[3] = kIdle;
  host.run(1, guest);
  host.pass(15);
  EXPECT_NEAR(host.diagnosis(1).tick_hertz.value_or(0), 300, 1);
  const Finding* const tick = host.finding(1, FindingKind::idle_tick);
  ASSERT_NE(tick, nullptr);
  EXPECT_EQ(tick->evidence.affected, 3U);
}

TEST(FindingCauses, AreNamed) {
  SimulatedHost host;
  host.run(1, guest_of(4, {.exits = 31'000, .exit_us = 1.1, .msr = 30'000, .reason = 31}));
  host.run(2, guest_of(4, {.exits = 120'000, .exit_us = 0.8, .reason = 10}));
  host.run(3, guest_of(4, {.exits = 12'000,
                           .exit_us = 8,
                           .userspace_exits = 11'000,
                           .vmm_us = 6,
                           .vmm_reason = 6}));
  host.pass(40);
  ASSERT_NE(host.finding(1, FindingKind::msr_storm), nullptr);
  EXPECT_EQ(host.finding(1, FindingKind::msr_storm)->evidence.code, 0x1a0U);
  EXPECT_NEAR(host.finding(1, FindingKind::msr_storm)->evidence.code_rate, 120'000, 100);
  ASSERT_NE(host.finding(2, FindingKind::exit_storm), nullptr);
  EXPECT_EQ(host.finding(2, FindingKind::exit_storm)->evidence.code, 10U);
  ASSERT_NE(host.finding(3, FindingKind::vmm_storm), nullptr);
  EXPECT_EQ(host.finding(3, FindingKind::vmm_storm)->evidence.code, 6U);
}

/// Two MSRs as often: neither is the cause, but their exits cost what they cost.
TEST(FindingCauses, AreNotNamedWhereThereIsNone) {
  SimulatedHost host;
  Guest guest = guest_of(4, {.exits = 61'000, .exit_us = 2, .msr = 60'000, .reason = 31});
  guest.vcpus[0].msr_index = guest.vcpus[1].msr_index = 0x830;
  host.run(1, guest);
  host.pass(15);
  EXPECT_EQ(host.findings(1), Names{"exit_storm"});
}

TEST(GuestThatNeverHalts, IsSaidToLookBusy) {
  SimulatedHost host;
  const Doing polls = {.programs = 1000, .arms = 1000, .exits = 2000, .exit_us = 1.2};
  host.run(1, guest_of(32, polls));
  // One of its vCPUs halts now and then: it is busy.
  Guest busy = guest_of(32, polls);
  busy.vcpus[3].halts = 1;
  host.run(2, busy);
  host.pass(50);
  EXPECT_EQ(host.findings(1), Names{});
  host.pass(20);
  EXPECT_EQ(host.findings(1), Names{"idle_tick"});
  EXPECT_TRUE(host.finding(1, FindingKind::idle_tick)->evidence.never_halts);
  EXPECT_EQ(host.findings(2), Names{});
}

/// Launchpad 1831225 as it was reported: 92,274 settings a second, of all its vCPUs together.
TEST(FrozenGuest, IsFoundThoughItsStormIsSpread) {
  SimulatedHost host;
  host.run(1, shared_by(8, kFrozen));
  // As often, and one of its vCPUs halts now and then: it works.
  Guest paced = shared_by(8, kFrozen);
  paced.vcpus[5].halts = 1;
  host.run(2, paced);
  // Fewer, which is a fast tick of a guest that is busy, or whose HLT never leaves it.
  host.run(3, guest_of(8, {.programs = 9000, .exits = 18'000, .exit_us = 1}));
  host.pass(80);
  EXPECT_EQ(host.findings(1), Names{"timer_storm"});
  EXPECT_TRUE(host.finding(1, FindingKind::timer_storm)->evidence.runaway);
  EXPECT_EQ(host.findings(2), Names{});
  EXPECT_EQ(host.findings(3), Names{"idle_tick"});
}

TEST(KvmWithoutExits, TellsRunningVcpusByWhateverMoves) {
  SimulatedHost host;
  host.facts().exits_counted = false;
  Guest guest = only(30, guest_of(32, ticking(1000)));
  for (Doing& vcpu : guest.vcpus) vcpu.exits = 0;
  host.run(1, guest);
  // Asleep all the time, which is no life.
  Guest parked = guest_of(2, {.halted = 1});
  host.run(2, parked);
  host.pass(15);
  EXPECT_EQ(host.findings(1), Names{"timer_storm"});
  EXPECT_EQ(host.diagnosis(1).vcpus_running, 30U);
  EXPECT_FALSE(host.finding(1, FindingKind::timer_storm)->evidence.cpus);
  EXPECT_EQ(host.diagnosis(2).vcpus_running, 0U);
  EXPECT_EQ(host.diagnosis(2).tick_hertz, 0);
}

TEST(KvmWithoutExits, FindsMsrStorms) {
  SimulatedHost host;
  host.facts().exits_counted = false;
  host.run(1, guest_of(4, {.msr = 40'000}));
  host.pass(15);
  EXPECT_EQ(host.findings(1), Names{"msr_storm"});
}

TEST(HostWithoutHalts, KnowsOfNoIdleGuest) {
  SimulatedHost host;
  host.facts().halts_counted = false;
  Guest guest = guest_of(32, ticking(1000));
  for (Doing& vcpu : guest.vcpus) vcpu.halts = vcpu.halted = 0;
  host.run(1, guest);
  host.run(2, guest_of(8, kFrozen));
  host.pass(90);
  EXPECT_EQ(host.findings(1), Names{});
  EXPECT_EQ(host.findings(2), Names{"timer_storm"});
}

TEST(UnknownVcpus, AreNoVcpus) {
  SimulatedHost host;
  Guest guest = guest_of(32, ticking(1000));
  guest.unknown_vcpus = true;
  host.run(1, guest);
  host.pass(15);
  EXPECT_EQ(host.findings(1), Names{});
  EXPECT_EQ(host.diagnosis(1).vcpus_running, 0U);
}

/// Its firmware used the MSR, and its kernel does not: after a while KVM's armings stand in.
TEST(TimerThatIsNoMsrAnyMore, IsSeenByArmings) {
  SimulatedHost host;
  Doing tick = ticking(1000);
  tick.programs = 40;
  host.run(1, guest_of(4, tick));
  host.pass(20);
  EXPECT_EQ(host.findings(1), Names{});
  tick.programs = 0;
  host.run(1, guest_of(4, tick));
  host.pass(310);
  EXPECT_EQ(host.findings(1), Names{"idle_tick"});
  EXPECT_EQ(host.finding(1, FindingKind::idle_tick)->evidence.source, TickSource::arms);
}

}  // namespace
}  // namespace kvmx
