// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/other_events.h"

#include <gtest/gtest.h>

namespace kvmx {
namespace {

using Names = std::vector<std::string>;

const Names kAvailable = {"kvm_cpuid", "kvm_pic_set_irq", "kvm_msi_set_irq",   "kvm_exit",
                          "kvm_entry", "vcpu_some_irq",   "kvm_hv_timer_state"};

TEST(OtherEvents, AllSelectsEveryEventWithoutACollector) {
  EXPECT_EQ(choose_events("all", kAvailable), (Names{"kvm_cpuid", "kvm_entry", "kvm_msi_set_irq",
                                                     "kvm_pic_set_irq", "vcpu_some_irq"}));
}

TEST(OtherEvents, SelectsByNameAndPattern) {
  EXPECT_EQ(choose_events("kvm_cpuid", kAvailable), Names{"kvm_cpuid"});
  EXPECT_EQ(choose_events("cpuid", kAvailable), Names{"kvm_cpuid"});
  EXPECT_EQ(choose_events("kvm_*irq,,kvm_cpuid", kAvailable),
            (Names{"kvm_cpuid", "kvm_msi_set_irq", "kvm_pic_set_irq"}));
  EXPECT_EQ(choose_events("*irq", kAvailable),
            (Names{"kvm_msi_set_irq", "kvm_pic_set_irq", "vcpu_some_irq"}));
}

TEST(OtherEvents, SelectsNothingWithoutAMatch) {
  EXPECT_TRUE(choose_events("", kAvailable).empty());
  EXPECT_TRUE(choose_events("nonsense,kvm_exit", kAvailable).empty());
  EXPECT_TRUE(choose_events("all", {}).empty());
}

}  // namespace
}  // namespace kvmx
