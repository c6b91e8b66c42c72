// SPDX-License-Identifier: Apache-2.0
#include "exporter/diagnosis/place_history.h"

#include <gtest/gtest.h>

#include "tests/unit/diagnosis/simulated_host.h"

namespace kvmx {
namespace {

IoCount port(std::optional<std::uint64_t> address, std::uint64_t reads, std::uint64_t writes) {
  return {IoSpace::port, address, {reads, writes}};
}

TEST(PlaceHistory, GivesRatesByDirectionMostFrequentFirst) {
  PlaceHistory history;
  history.record(std::vector{port(std::nullopt, 7, 7), port(0x60, 0, 100), port(0x608, 1000, 0)},
                 5);
  history.record(std::vector{port(std::nullopt, 7, 9), port(0x60, 10, 130), port(0x608, 2000, 0),
                             IoCount{IoSpace::mmio, 0x60, {0, 4}}},
                 6);
  const std::vector<PlaceRate> rates = history.rates(5, 6, 2);
  ASSERT_EQ(rates.size(), 4U);
  EXPECT_EQ(rates[0].address, 0x608U);
  EXPECT_DOUBLE_EQ(rates[0].rates[KVMX_READ], 500);
  EXPECT_EQ(rates[1].address, 0x60U);
  EXPECT_DOUBLE_EQ(rates[1].rates[KVMX_READ], 5);
  EXPECT_DOUBLE_EQ(rates[1].rates[KVMX_WRITE], 15);
  EXPECT_EQ(rates[2].space, IoSpace::mmio);
  EXPECT_FALSE(rates[3].address);
  EXPECT_DOUBLE_EQ(rates[3].total(), 1);
}

TEST(PlaceHistory, LeavesOutWhatStoodStillOrSteppedBack) {
  PlaceHistory history;
  history.record(std::vector{port(1, 50, 0), port(2, 50, 0), port(3, 0xfffffffe, 0)}, 5);
  history.record(std::vector{port(1, 50, 0), port(2, 40, 0), port(3, 0x100000001, 0)}, 6);
  const std::vector<PlaceRate> rates = history.rates(5, 6, 1);
  ASSERT_EQ(rates.size(), 1U);
  EXPECT_EQ(rates[0].address, 3U);
  EXPECT_DOUBLE_EQ(rates[0].total(), 3);
}

TEST(PlaceHistory, ForgetsAPlaceThatLostItsName) {
  PlaceHistory history;
  history.record(std::vector{port(1, 50, 0)}, 1);
  for (std::uint64_t round = 2; round < 40; ++round) history.record({}, round);
  EXPECT_TRUE(history.rates(29, 39, 10).empty());
  history.record(std::vector{port(1, 3, 0)}, 40);
  ASSERT_EQ(history.rates(30, 40, 1).size(), 1U);
  EXPECT_DOUBLE_EQ(history.rates(30, 40, 1)[0].total(), 3);
}

TEST(Breakdown, HasPlacesLinesAndThreads) {
  SimulatedHost host;
  Guest guest = guest_of(2, {.exits = 900, .cpu = 0.5, .waits = 0.1});
  guest.places = {{IoSpace::port, 0x608, false, 4500, 0}};
  guest.lines[0] = 2000;
  host.run(1, guest);
  host.pass(20);
  const VmBreakdown& seen = *host.diagnosis(1).breakdown;
  ASSERT_EQ(seen.places.size(), 1U);
  EXPECT_NEAR(seen.places[0].rates[KVMX_READ], 4500, 10);
  ASSERT_EQ(seen.lines.size(), 1U);
  EXPECT_NEAR(seen.lines[0].rate, 2000, 10);
  // What the simulated VMM needs for a change of a line.
  EXPECT_NEAR(seen.threads[static_cast<std::size_t>(ThreadKind::vmm)], 2000 * 40e-6, 0.001);
  EXPECT_NEAR(seen.total[kRunDelay], 0.2, 0.01);
}

}  // namespace
}  // namespace kvmx
