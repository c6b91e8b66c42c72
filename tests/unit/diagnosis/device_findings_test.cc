// SPDX-License-Identifier: Apache-2.0
// Guests that wait for CPUs, whose old timers pulse their lines, and whose ports are polled.
#include <gtest/gtest.h>

#include "tests/unit/diagnosis/simulated_host.h"

namespace kvmx {
namespace {

using Names = std::set<std::string>;

const Doing kStarved = {.exits = 900, .exit_us = 2, .cpu = 0.5, .waits = 0.5};

/// What is found in a guest that does this for 20 s.
Names found_in(const Guest& guest) {
  SimulatedHost host;
  host.run(1, guest);
  host.pass(20);
  return host.findings(1);
}

Names with_line(Guest guest, std::uint32_t gsi, double changes) {
  guest.lines[gsi] = changes;
  return found_in(guest);
}

TEST(CpuStarved, IsAboutTheGuestAsAWhole) {
  EXPECT_EQ(found_in(guest_of(4, kStarved)), Names{"cpu_starved"});
  Guest one = guest_of(8, kIdle);
  one.vcpus[0] = kStarved;
  EXPECT_EQ(found_in(one), Names{"cpu_starved"});
}

TEST(CpuStarved, BeginsAboveATenthOfWhatIsWanted) {
  EXPECT_EQ(found_in(guest_of(4, {.exits = 900, .cpu = 0.9, .waits = 0.09})), Names{});
  EXPECT_EQ(found_in(guest_of(4, {.exits = 900, .cpu = 0.85, .waits = 0.1})), Names{"cpu_starved"});
}

TEST(CpuStarved, NeedsThatSomethingIsWanted) {
  EXPECT_EQ(found_in(guest_of(4, {.exits = 90, .cpu = 0.02, .waits = 0.02})), Names{});
}

/// On a host without a free CPU each wait is a millisecond or so, whatever is waited for.
TEST(CpuStarved, IsNoGuestThatOnlyTicks) {
  const struct {
    const char* what;
    std::size_t vcpus;
    Doing each;
    bool starved;
  } cases[] = {
      {"ticks at 250 Hz on a full host",
       8,
       {.halts = 250, .halted = 0.97, .exits = 520, .cpu = 0.0025, .waits = 0.25},
       false},
      {"idle without a tick",
       32,
       {.halts = 14, .halted = 0.99, .exits = 20, .cpu = 0.0003, .waits = 0.014},
       false},
      {"works a little less than a tenth of a CPU",
       4,
       {.halts = 400, .halted = 0.9, .exits = 900, .cpu = 0.0245, .waits = 0.1},
       false},
      {"works a little more",
       4,
       {.halts = 400, .halted = 0.9, .exits = 900, .cpu = 0.0255, .waits = 0.1},
       true},
      {"busy under a quota of a hundredth of a CPU",
       2,
       {.halts = 0.5, .halted = 0.01, .exits = 10, .cpu = 0.01, .waits = 0.95},
       true},
      {"storms, twelve vCPUs on one CPU",
       12,
       {.halts = 900, .halted = 0.9, .exits = 1900, .cpu = 0.06, .waits = 0.5},
       true},
  };
  for (const auto& each : cases)
    EXPECT_EQ(found_in(guest_of(each.vcpus, each.each)).contains("cpu_starved"), each.starved)
        << each.what;
}

TEST(CpuStarved, IsNoBurst) {
  SimulatedHost host;
  host.run(1, guest_of(4, kIdle));
  host.pass(20);
  host.run(1, guest_of(4, kStarved));
  host.pass(4);
  EXPECT_EQ(host.findings(1), Names{});
  host.pass(6);
  EXPECT_EQ(host.findings(1), Names{"cpu_starved"});
}

TEST(InterruptLineStorm, IsOfThePitTheHpetAndTheClock) {
  for (const std::uint32_t gsi : {0U, 2U, 8U})
    EXPECT_EQ(with_line(guest_of(2, kIdle), gsi, 2004), Names{"interrupt_line_storm"}) << gsi;
  EXPECT_EQ(with_line(guest_of(2, kIdle), 11, 20'000), Names{});
}

TEST(InterruptLineStorm, NeedsNoVcpuThatRuns) {
  EXPECT_EQ(with_line(guest_of(2, {}), 0, 2004), Names{"interrupt_line_storm"});
}

TEST(InterruptLineStorm, IsNoClockOf64Hertz) {
  EXPECT_EQ(with_line(guest_of(2, kIdle), 8, 128), Names{});
}

TEST(Finding, OfTheVmmNamesThePortThatIsPolled) {
  SimulatedHost host;
  Guest guest = guest_of(
      2, {.exits = 24'000, .exit_us = 8, .userspace_exits = 23'000, .vmm_us = 6, .vmm_reason = 2});
  guest.places = {{IoSpace::port, 0x608, false, 45'000, 0},
                  {IoSpace::port, 0x3f8, true, 500, 0},
                  {IoSpace::mmio, 0xfed00000, false, 90'000, 0}};
  host.run(1, guest);
  host.pass(20);
  const Finding* const found = host.finding(1, FindingKind::vmm_storm);
  ASSERT_TRUE(found && found->evidence.place);
  EXPECT_EQ(found->evidence.place->address, 0x608U);
  EXPECT_NEAR(found->evidence.place->rate, 45'000, 100);
  EXPECT_NE(sentences(*found).find("reads port 0x608, the ACPI PM timer, 45,000 times a second"),
            std::string::npos)
      << sentences(*found);
}

TEST(Finding, OfTheVmmNamesNoneOfMany) {
  SimulatedHost host;
  Guest guest = guest_of(
      2, {.exits = 24'000, .exit_us = 8, .userspace_exits = 23'000, .vmm_us = 6, .vmm_reason = 6});
  for (std::uint64_t page = 0; page < 3; ++page)
    guest.places.push_back({IoSpace::mmio, 0xfe000000 + page * 0x1000, true, 15'000, 0});
  host.run(1, guest);
  host.pass(20);
  const Finding* const found = host.finding(1, FindingKind::vmm_storm);
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->evidence.place);
}

}  // namespace
}  // namespace kvmx
