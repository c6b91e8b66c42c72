// SPDX-License-Identifier: Apache-2.0
// What hooks in KVM's functions note of vCPUs as they are made, run and destroyed, on fake maps.
#include <gtest/gtest.h>

#include <cstdint>

#include "tests/bpf/count_shim.h"
#include "tests/bpf/fake_maps.h"

namespace {

constexpr std::uint32_t kPid = 100;
constexpr std::uint32_t kOther = 200;

class VcpuLifeTest : public testing::Test {
 protected:
  VcpuLifeTest() {
    kvmx::reset_fake_maps();
    shim_cpu = 0;
    shim_offer_slots(64);
    shim_start_process(kPid, 5, "vmm");
  }
  ~VcpuLifeTest() override { kvmx::reset_fake_maps(); }

  int vms_[2] = {};
  shim_vcpu first_ = {&vms_[0], 0};
  shim_vcpu second_ = {&vms_[1], 0};  // of another VM of the process
};

TEST_F(VcpuLifeTest, TheOnlyVcpuOfItsIdIsFoundByIt) {
  shim_vcpu_made(&first_);
  const vcpu_slot* const slot = shim_slot_of_only_id(0);
  ASSERT_TRUE(slot);
  EXPECT_EQ(slot, shim_run(&first_));
  EXPECT_FALSE(shim_slot_of_only_id(1));
}

TEST_F(VcpuLifeTest, OfTwoNeitherIsFoundByItsId) {
  shim_vcpu_made(&first_);
  shim_vcpu_made(&second_);
  EXPECT_FALSE(shim_slot_of_only_id(0));
  shim_vcpu_destroyed(&second_);
  EXPECT_FALSE(shim_slot_of_only_id(0)) << "nothing tells which is left";
  shim_vcpu_destroyed(&first_);
  shim_vcpu_made(&second_);
  EXPECT_TRUE(shim_slot_of_only_id(0));
}

TEST_F(VcpuLifeTest, OfTwoThatAreMadeAtOnceNeitherIsFoundByItsId) {
  kvmx::call_before_update([this](const void*) {
    kvmx::call_before_update([this](const void* map) {
      EXPECT_EQ(map, shim_vcpus_by_id);
      shim_vcpu_made(&second_);
    });
  });
  shim_vcpu_made(&first_);
  EXPECT_FALSE(shim_slot_of_only_id(0));
  shim_vcpu_destroyed(&second_);
  EXPECT_FALSE(shim_slot_of_only_id(0));
  shim_vcpu_destroyed(&first_);
  shim_vcpu_made(&first_);
  EXPECT_TRUE(shim_slot_of_only_id(0)) << "none was left in the map";
}

TEST_F(VcpuLifeTest, WhatHasNoRoomCountsAsLost) {
  EXPECT_EQ(shim_lost(KVMX_LOST_MAP_FULL), 0U);
  kvmx::fill_fake_map(shim_vcpu_makers);
  shim_vcpu_made(&first_);
  EXPECT_EQ(shim_lost(KVMX_LOST_MAP_FULL), 1U);
  kvmx::fill_fake_map(shim_vcpus_by_id);
  shim_start_process(kOther, 6, "other");
  shim_vcpu_made(&second_);
  EXPECT_EQ(shim_lost(KVMX_LOST_MAP_FULL), 3U);
}

TEST_F(VcpuLifeTest, AVcpuThatHasRunIsItsMakersAlsoWhenThatIsForgotten) {
  shim_vcpu_made(&first_);
  const vcpu_slot* const slot = shim_run(&first_);
  ASSERT_TRUE(slot);
  shim_forget_maker(&first_);
  shim_start_process(kOther, 6, "other");
  EXPECT_EQ(shim_run(&first_), slot) << "whoever runs it";
  EXPECT_EQ(slot->tgid, kPid);
  EXPECT_STREQ(slot->comm, "vmm");
  shim_vcpu_destroyed(&first_);
  EXPECT_EQ(slot->vcpu & KVMX_VCPU_DESTROYED, KVMX_VCPU_DESTROYED);
  shim_vcpu_made(&first_);
  EXPECT_NE(shim_run(&first_), slot) << "this one was made by another";
}

TEST_F(VcpuLifeTest, NoReturnIsMissedWhenTheFirstRunBegins) {
  shim_vcpu_made(&first_);
  vcpu_slot* const slot = shim_run(&first_);
  ASSERT_TRUE(slot);
  EXPECT_FALSE(shim_missed_return(slot));
  slot->exit = KVMX_EXIT_NONE;  // it has entered its guest, and ends there
  shim_vcpu_destroyed(&first_);
  EXPECT_FALSE(shim_missed_return(slot)) << "it may be made again in the same place";
}

TEST_F(VcpuLifeTest, TheEndOfAVcpuWhoseEntryGaveWayTakesNoOthers) {
  shim_vcpu_made(&first_);
  shim_forget_id(0);
  shim_vcpu_made(&second_);
  shim_vcpu_destroyed(&first_);
  EXPECT_EQ(shim_slot_of_only_id(0), shim_run(&second_));
}

TEST_F(VcpuLifeTest, AnEntryThatWasLeftFindsNothing) {
  shim_vcpu_made(&first_);
  shim_forget_maker(&first_);
  shim_vcpu_destroyed(&first_);  // neither maker nor slot says where its entry is
  first_.vcpu_id = 77;           // something else is there
  EXPECT_FALSE(shim_slot_of_only_id(0));
}

/// Its thread ended after it had returned to its VMM, as when it is unplugged.
TEST_F(VcpuLifeTest, NobodyHasAVcpuWhoseThreadHasEndedUntilAnotherBegins) {
  shim_vcpu_made(&first_);
  vcpu_slot* const slot = shim_run(&first_);
  ASSERT_TRUE(slot);
  slot->exit = 3 | KVMX_EXIT_IN_VMM;
  slot->exit_ns = 1000;
  slot->userspace_ns = 1200;
  shim_start_thread(kPid + 1, 9000);
  EXPECT_EQ(shim_run(&first_), slot);
  EXPECT_EQ(slot->userspace_ns, 9000U);
  EXPECT_EQ(slot->exit_ns, 8800U) << "200 ns before it returned";
  slot->userspace_ns = 0;  // userspace exits are not counted
  shim_start_thread(kPid + 2, 10'000);
  EXPECT_EQ(shim_run(&first_), slot);
  EXPECT_EQ(slot->userspace_ns, 0U);
  EXPECT_EQ(slot->exit_ns, 10'000U);
}

TEST_F(VcpuLifeTest, TheVmmHasAVcpuThatItGivesToAThreadThatWasThereBefore) {
  shim_vcpu_made(&first_);
  vcpu_slot* const slot = shim_run(&first_);
  ASSERT_TRUE(slot);
  slot->exit_ns = 1000;
  slot->userspace_ns = 1200;
  for (const std::uint32_t exit :
       {3 | KVMX_EXIT_IN_VMM, 3, KVMX_EXIT_NONE + 0, KVMX_EXIT_OUTSIDE + 0}) {
    slot->exit = exit;
    const bool in_vmm = exit == (3 | KVMX_EXIT_IN_VMM);
    shim_start_thread(kPid + exit, in_vmm ? 1200 : 9000);
    EXPECT_EQ(shim_run(&first_), slot);
    EXPECT_EQ(slot->userspace_ns, 1200U) << exit;
    EXPECT_EQ(slot->exit_ns, 1000U) << exit;
  }
}

TEST_F(VcpuLifeTest, EachCpuHasAHintOfItsOwn) {
  const std::uint32_t cpus[] = {0, 1, 255, 256, 257, 1023, 1024, 2047};
  for (const std::uint32_t one : cpus) {
    for (const std::uint32_t other : cpus) {
      shim_cpu = one;
      const __u32* const hint = shim_hint();
      shim_cpu = other;
      EXPECT_EQ(hint == shim_hint(), one == other) << one << ' ' << other;
    }
  }
}

}  // namespace
