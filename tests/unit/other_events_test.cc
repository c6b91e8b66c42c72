// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/other_events.h"

#include <gtest/gtest.h>

namespace kvmx {
namespace {

using Names = std::vector<std::string>;

const Names kAvailable = {"kvm_pio",   "kvm_mmio",        "kvm_fast_mmio",     "kvm_exit",
                          "kvm_entry", "vcpu_match_mmio", "kvm_hv_timer_state"};

TEST(OtherEvents, AllSelectsEveryEventWithoutACollector) {
  EXPECT_EQ(choose_events("all", kAvailable),
            (Names{"kvm_entry", "kvm_fast_mmio", "kvm_mmio", "kvm_pio", "vcpu_match_mmio"}));
}

TEST(OtherEvents, SelectsByNameAndPattern) {
  EXPECT_EQ(choose_events("kvm_pio", kAvailable), Names{"kvm_pio"});
  EXPECT_EQ(choose_events("pio", kAvailable), Names{"kvm_pio"});
  EXPECT_EQ(choose_events("kvm_*mmio,,kvm_pio", kAvailable),
            (Names{"kvm_fast_mmio", "kvm_mmio", "kvm_pio"}));
  EXPECT_EQ(choose_events("*mmio", kAvailable),
            (Names{"kvm_fast_mmio", "kvm_mmio", "vcpu_match_mmio"}));
}

TEST(OtherEvents, SelectsNothingWithoutAMatch) {
  EXPECT_TRUE(choose_events("", kAvailable).empty());
  EXPECT_TRUE(choose_events("nonsense,kvm_exit", kAvailable).empty());
  EXPECT_TRUE(choose_events("all", {}).empty());
}

}  // namespace
}  // namespace kvmx
