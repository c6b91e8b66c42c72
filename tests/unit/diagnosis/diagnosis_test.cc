// SPDX-License-Identifier: Apache-2.0
// Findings over time: when they begin and end, and what does not make one.
#include "exporter/diagnosis/diagnosis.h"

#include <gtest/gtest.h>

#include "tests/unit/diagnosis/simulated_host.h"

namespace kvmx {
namespace {

using Names = std::set<std::string>;

const Guest kStorm = guest_of(
    32,
    {.programs = 1036, .arms = 2066, .halts = 1032, .halted = 0.94, .exits = 2072, .exit_us = 1.2});
const Guest kCalm = guest_of(
    32, {.programs = 14, .arms = 18, .halts = 5, .halted = 0.99, .exits = 20, .exit_us = 1.2});

TEST(Diagnosis, SaysNothingBeforeTenSecondsAreKnown) {
  SimulatedHost host;
  host.run(1, kStorm);
  host.pass(10);
  EXPECT_EQ(host.findings(1), Names{});
  EXPECT_FALSE(host.diagnosis(1).tick_hertz);
  EXPECT_FALSE(host.diagnosis(1).vcpus_running);
  host.pass(1);
  EXPECT_EQ(host.findings(1), Names{"timer_storm"});
  EXPECT_EQ(host.diagnosis(1).vcpus_running, 32U);
}

TEST(Diagnosis, AddsUpTheSecondsAStormHeld) {
  SimulatedHost host;
  host.run(1, kStorm);
  host.pass(11 + 60);
  EXPECT_NEAR(host.held(1, FindingKind::timer_storm), 61, 0.1);
  EXPECT_NEAR(host.finding(1, FindingKind::timer_storm)->held_seconds, 61, 0.1);
  // It ends with its first calm second.
  host.run(1, kCalm);
  host.pass(30);
  EXPECT_EQ(host.findings(1), Names{});
  EXPECT_NEAR(host.held(1, FindingKind::timer_storm), 61, 0.1);
  // It comes again, and the sum goes on.
  host.run(1, kStorm);
  host.pass(20);
  EXPECT_NEAR(host.finding(1, FindingKind::timer_storm)->held_seconds, 11, 0.1);
  EXPECT_NEAR(host.held(1, FindingKind::timer_storm), 72, 0.1);
}

TEST(Diagnosis, KeepsTheSumOfAVmThatEnded) {
  SimulatedHost host;
  host.run(1, kStorm);
  host.pass(21);
  const double held = host.held(1, FindingKind::timer_storm);
  EXPECT_GT(held, 10);
  host.end(1);
  host.pass(30);
  EXPECT_EQ(host.findings(1), Names{});
  EXPECT_FALSE(host.diagnosis(1).tick_hertz);
  EXPECT_EQ(host.held(1, FindingKind::timer_storm), held);
  host.forget(1);
  host.pass(1);
  EXPECT_EQ(host.held(1, FindingKind::timer_storm), 0);
}

/// A boot exits, accesses and ticks far above every threshold, for less than the window.
TEST(BootBurst, IsNoStorm) {
  for (const double seconds : {1, 3, 5, 8, 9}) {
    SimulatedHost host;
    host.run(1, kCalm);
    host.pass(15);
    host.run(1, guest_of(32, {.programs = 25'000,
                              .halts = 5000,
                              .halted = 0.8,
                              .polled = 0.1,
                              .exits = 300'000,
                              .exit_us = 3,
                              .msr = 100'000,
                              .userspace_exits = 20'000,
                              .vmm_us = 10}));
    host.pass(seconds);
    host.run(1, kCalm);
    host.pass(20);
    for (const std::uint64_t held : host.diagnosis(1).held_ns) EXPECT_EQ(held, 0U) << seconds;
  }
}

TEST(NewVm, IsNotCalledAStormForItsFirstSeconds) {
  SimulatedHost host;
  host.run(1, kCalm);
  host.pass(30);
  host.run(2, kStorm);
  host.pass(9);
  host.run(2, kCalm);
  host.pass(30);
  EXPECT_EQ(host.held(2, FindingKind::timer_storm), 0);
}

TEST(VcpuHotPlug, DoesNotHideAStorm) {
  SimulatedHost host;
  host.run(1, guest_of(24, kStorm.vcpus[0]));
  host.pass(20);
  host.run(1, kStorm);
  for (int second = 0; second < 20; ++second) {
    host.pass(1);
    EXPECT_EQ(host.findings(1), Names{"timer_storm"}) << second;
  }
  EXPECT_EQ(host.diagnosis(1).vcpus_running, 32U);
}

/// Counts that were of no known vCPU are given to the vCPUs they belong to.
TEST(CountersThatStep, MakeNoStormAndHideNoneForLong) {
  SimulatedHost host;
  host.run(1, kCalm);
  host.pass(20);
  for (std::size_t i = 0; i < 32; ++i) {
    host.counters(1, i).exits += 50'000'000;
    host.counters(1, i).timer_programs += 50'000'000;
    host.counters(1, i).msr_accesses += 50'000'000;
  }
  for (int second = 0; second < 15; ++second) {
    host.pass(1);
    EXPECT_EQ(host.findings(1), Names{}) << second;
  }
  // Back, as when a slot is given up: a storm is seen again after ten seconds.
  host.run(1, kStorm);
  host.pass(20);
  EXPECT_EQ(host.findings(1), Names{"timer_storm"});
  host.counters(1, 7).timer_programs = 0;
  host.pass(1);
  EXPECT_EQ(host.findings(1), Names{});
  EXPECT_FALSE(host.diagnosis(1).tick_hertz);
  host.pass(10);
  EXPECT_EQ(host.findings(1), Names{"timer_storm"});
}

TEST(CountersBeyond32Bits, WrapUnseen) {
  SimulatedHost host;
  host.run(1, kStorm);
  host.pass(1);
  for (std::size_t i = 0; i < 32; ++i) host.counters(1, i).timer_programs = 0xffff'ffff - 8000;
  host.pass(25);
  EXPECT_EQ(host.findings(1), Names{"timer_storm"});
  EXPECT_NEAR(host.diagnosis(1).tick_hertz.value_or(0), 1036, 1);
}

TEST(Clock, MayJumpBothWays) {
  SimulatedHost host;
  host.run(1, kStorm);
  host.pass(20);
  for (const double seconds : {3600.0, -1800.0}) {
    const double before = host.held(1, FindingKind::timer_storm);
    host.jump(seconds);
    host.pass(1);
    EXPECT_EQ(host.findings(1), Names{}) << seconds;
    EXPECT_EQ(host.held(1, FindingKind::timer_storm), before) << seconds;
    host.pass(10);
    EXPECT_EQ(host.findings(1), Names{"timer_storm"}) << seconds;
    EXPECT_NEAR(host.held(1, FindingKind::timer_storm), before + 1, 0.1) << seconds;
  }
}

TEST(Rounds, MayComeLateAndUnevenly) {
  for (const double step : {0.96, 1.3, 2.5, 4.0}) {
    SimulatedHost host;
    host.run(1, kStorm);
    host.run(2, kCalm);
    host.pass(40, step);
    EXPECT_EQ(host.findings(1), Names{"timer_storm"}) << step;
    EXPECT_NEAR(host.diagnosis(1).tick_hertz.value_or(0), 1036, 2) << step;
    EXPECT_EQ(host.findings(2), Names{}) << step;
  }
}

TEST(Rounds, AreDueOnceASecond) {
  Diagnosis diagnosis;
  EXPECT_TRUE(diagnosis.due(5'000'000'000));
  diagnosis.observe({}, {}, 5'000'000'000);
  EXPECT_FALSE(diagnosis.due(5'000'000'000));
  EXPECT_FALSE(diagnosis.due(5'900'000'000));
  EXPECT_TRUE(diagnosis.due(6'000'000'000));
  EXPECT_TRUE(diagnosis.due(1'000'000'000));
}

TEST(Vms, AreKeptApart) {
  SimulatedHost host;
  host.run(2, kStorm);
  host.run(4, kCalm);
  host.pass(15);
  host.run(1, kCalm);
  host.run(3, kStorm);
  host.pass(5);
  EXPECT_EQ(host.findings(2), Names{"timer_storm"});
  EXPECT_EQ(host.findings(3), Names{});
  host.forget(1);
  host.pass(10);
  EXPECT_EQ(host.findings(2), Names{"timer_storm"});
  EXPECT_EQ(host.findings(3), Names{"timer_storm"});
  EXPECT_EQ(host.findings(4), Names{});
}

}  // namespace
}  // namespace kvmx
