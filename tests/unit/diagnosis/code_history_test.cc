// SPDX-License-Identifier: Apache-2.0
#include "exporter/diagnosis/code_history.h"

#include <gtest/gtest.h>

#include "tests/unit/diagnosis/simulated_host.h"

namespace kvmx {
namespace {

using Counters = std::vector<CodeCounter>;
using Rates = std::map<std::uint32_t, double>;

Rates rates_of(const CodeHistory& history, std::uint64_t from, std::uint64_t to, double seconds) {
  Rates rates;
  for (const CodeRate& each : history.rates(from, to, seconds)) rates[each.code] = each.rate;
  return rates;
}

TEST(CodeHistory, GivesRatesBetweenTwoRounds) {
  CodeHistory history;
  history.record(Counters{{1, 100, 0}, {7, 5, 0}}, 1);
  history.record(Counters{{1, 140, 0}, {5, 8, 0}, {7, 5, 0}}, 2);
  history.record(Counters{{1, 200, 0}, {5, 18, 0}, {7, 5, 0}, {9, 0, 0}}, 3);
  EXPECT_EQ(rates_of(history, 1, 3, 2), (Rates{{1, 50}, {5, 9}}));
  EXPECT_EQ(rates_of(history, 2, 3, 1), (Rates{{1, 60}, {5, 10}}));
}

TEST(CodeHistory, ForgetsWhatIsOlderThanTheWindow) {
  CodeHistory history;
  for (std::uint64_t round = 1; round <= 100; ++round)
    history.record(Counters{{3, round * round, 0}}, round);
  EXPECT_EQ(rates_of(history, 90, 100, 10), (Rates{{3, 190}}));
}

TEST(CodeHistory, IsNoLongerThanWhatIsCounted) {
  CodeHistory history;
  // A cause that was counted once comes again after a long time: its name is new, and so is all of
  // it.
  const CodeCounter often{1, 100, 0};
  const CodeCounter once{7, 5, 0};
  history.record(std::vector{often, once}, 1);
  for (std::uint64_t round = 2; round < 40; ++round) history.record(std::vector{often}, round);
  EXPECT_TRUE(history.rates(29, 39, 10).empty());
  history.record(std::vector{often, CodeCounter{7, 3, 0}}, 40);
  ASSERT_EQ(history.rates(30, 40, 1).size(), 1U);
  EXPECT_DOUBLE_EQ(history.rates(30, 40, 1)[0].rate, 3);
}

TEST(CodeHistory, WrapsUnseenAndLeavesOutWhatSteppedBack) {
  CodeHistory history;
  history.record(Counters{{1, 0xffff'fff0, 0}, {2, 50, 0}, {3, 9, 0}}, 1);
  history.record(Counters{{1, 0x1'0000'0010, 0}, {2, 40, 0}}, 2);
  EXPECT_EQ(rates_of(history, 1, 2, 1), (Rates{{1, 32}}));
}

const VmBreakdown& breakdown(const SimulatedHost& host) { return *host.diagnosis(1).breakdown; }

TEST(Breakdown, SaysWhatAGuestDidOfLate) {
  SimulatedHost host;
  Guest guest = guest_of(4, {.programs = 1000,
                             .halts = 1000,
                             .halted = 0.9,
                             .exits = 2000,
                             .msr = 10,
                             .userspace_exits = 3});
  guest.vcpus[3] = {.halted = 1};
  guest.vcpus[0].reason = 12;
  host.run(1, guest);
  host.pass(10);
  EXPECT_FALSE(host.diagnosis(1).breakdown);
  host.pass(15);
  ASSERT_TRUE(host.diagnosis(1).breakdown);
  EXPECT_NEAR(breakdown(host).total[kExits], 6000, 1);
  EXPECT_NEAR(breakdown(host).total[kHalts], 3000, 1);
  ASSERT_EQ(breakdown(host).vcpus.size(), 4U);
  EXPECT_TRUE(breakdown(host).vcpus[0].running);
  EXPECT_FALSE(breakdown(host).vcpus[3].running);
  EXPECT_NEAR(breakdown(host).vcpus[2].rates[kTimerPrograms], 1000, 1);
  ASSERT_EQ(breakdown(host).reasons.size(), 2U);
  EXPECT_EQ(breakdown(host).reasons[0].code, 48U);  // most frequent first
  EXPECT_NEAR(breakdown(host).reasons[0].rate, 4000, 1);
  ASSERT_EQ(breakdown(host).msrs.size(), 1U);
  EXPECT_NEAR(breakdown(host).msrs[0].rate, 30, 1);
  EXPECT_NEAR(breakdown(host).userspace_exits.at(0).rate, 9, 1);
  host.end(1);
  host.pass(1);
  EXPECT_FALSE(host.diagnosis(1).breakdown);
}

TEST(Breakdown, StartsAgainWithTheHistory) {
  SimulatedHost host;
  host.run(1, guest_of(4, {.exits = 2000}));
  host.pass(20);
  host.counters(1, 2).exits = 0;
  host.pass(1);
  EXPECT_FALSE(host.diagnosis(1).breakdown);
  host.pass(10);
  EXPECT_NEAR(breakdown(host).reasons.at(0).rate, 8000, 1);
}

TEST(Breakdown, HasWhatNoVcpuIsKnownOf) {
  SimulatedHost host;
  Guest guest = guest_of(4, {.halts = 100, .halted = 0.5, .exits = 2000});
  guest.unknown_vcpus = true;
  host.run(1, guest);
  host.pass(20);
  EXPECT_TRUE(breakdown(host).vcpus.empty());
  EXPECT_NEAR(breakdown(host).total[kExits], 8000, 1);
  EXPECT_NEAR(breakdown(host).total[kHaltTime], 2, 0.01);
}

}  // namespace
}  // namespace kvmx
