// SPDX-License-Identifier: Apache-2.0
// Times of slots whose events alone do not tell what they belong to.
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "exporter/counts/slot_reader.h"

namespace kvmx {
namespace {

constexpr std::uint32_t kMsrWrite = 32;  // VMX basic exit reason

class SlotTimesTest : public testing::Test {
 protected:
  vcpu_slot& slot(std::size_t index, std::uint32_t tgid, std::uint32_t vcpu_id) {
    vcpu_slot& made = slots_[index];
    made.tgid = tgid;
    made.vcpu_id = vcpu_id;
    made.isa = KVMX_ISA_VMX;
    made.exit = KVMX_EXIT_NONE;
    return made;
  }

  std::vector<VmCounts> read() {
    return reader_.read(slots_, [](const VmKey&) { return false; });
  }

  std::uint64_t now_ = 1000;
  std::unique_ptr<vcpu_slot[]> memory_ = std::make_unique<vcpu_slot[]>(2);
  std::span<vcpu_slot> slots_{memory_.get(), 2};
  SlotReader reader_{[this] { return now_; }};
};

/// An exit that comes without an entry after the one before, whose time the kernel then never adds.
TEST_F(SlotTimesTest, WhatWasExportedOfAnExitIsKeptOverOthers) {
  vcpu_slot& vcpu = slot(0, 10, 0);
  const auto exit = [&](std::uint32_t reason, std::uint64_t began) {
    vcpu.reason[reason].count = 1;
    vcpu.exit = reason;
    vcpu.exit_ns = began;
    now_ = began + 600;
  };
  const auto handling = [&](std::uint32_t reason) {
    const std::vector<VmCounts> vms = read();
    for (const ReasonCount& count : vms.at(0).vcpus.at(0).reasons)
      if (count.code == reason) return count.handling_ns;
    return std::uint64_t{0};
  };
  constexpr std::uint32_t kCpuid = 10;
  exit(kCpuid, 400);
  EXPECT_EQ(handling(kCpuid), 600U);
  exit(kMsrWrite, 1200);
  EXPECT_EQ(handling(kCpuid), 600U);
  exit(kCpuid, 1400);
  now_ = 1500;
  EXPECT_EQ(handling(kCpuid), 600U);
  vcpu.reason[kCpuid].ns = 700;
  vcpu.exit = KVMX_EXIT_NONE;
  EXPECT_EQ(handling(kCpuid), 700U);
}

TEST_F(SlotTimesTest, ExitsInWhichTheVcpuHaltedAreNotInTheLatencies) {
  vcpu_slot& vcpu = slot(0, 10, 0);
  vcpu.reason[kMsrWrite] = {3, 5000};
  vcpu.halted_ns = 4000;
  EXPECT_EQ(read().at(0).latency.sum_ns, 1000U);
  EXPECT_EQ(read().at(0).vcpus.at(0).reasons.at(0).handling_ns, 5000U);
  vcpu.halted_ns = 4900;  // the entry's first step; its second is still to come
  EXPECT_EQ(read().at(0).latency.sum_ns, 1000U);
  vcpu.reason[kMsrWrite].ns = 6100;
  EXPECT_EQ(read().at(0).latency.sum_ns, 1200U);
}

/// Kernels whose events give no pointer: a vCPU that another thread runs has another slot.
TEST_F(SlotTimesTest, ASlotThatItsVcpuHasLeftIsNotWithTheVmm) {
  vcpu_slot& first = slot(0, 10, 0);
  first.exit = kMsrWrite | KVMX_EXIT_IN_VMM;
  first.exit_ns = first.userspace_ns = 400;
  const auto in_vmm = [&] { return read().at(0).vcpus.at(0).userspace_ns; };
  EXPECT_EQ(in_vmm(), 600U);
  vcpu_slot& second = slot(1, 10, 0);
  now_ = 5000;
  EXPECT_EQ(in_vmm(), 600U) << "the second runs it";
  second.exit = kMsrWrite | KVMX_EXIT_IN_VMM;
  second.exit_ns = second.userspace_ns = 4500;
  EXPECT_EQ(in_vmm(), 600U + 500U);
  first.userspace_ns = first.exit_ns = 6000;  // back again
  now_ = 7000;
  EXPECT_EQ(in_vmm(), 1000U + 500U);
}

/// A VMM that unplugs a vCPU ends its thread and keeps the vCPU.
TEST_F(SlotTimesTest, AVcpuWhoseThreadHasEndedIsWithNobody) {
  vcpu_slot& vcpu = slot(0, 10, 0);
  vcpu.tid = 12;
  vcpu.exit = kMsrWrite | KVMX_EXIT_IN_VMM;
  vcpu.exit_ns = 300;
  vcpu.userspace_ns = 400;
  vcpu.reason[kMsrWrite].count = 1;
  const auto in_vmm = [&] { return read().at(0).vcpus.at(0).userspace_ns; };
  const auto handling = [&] { return read().at(0).vcpus.at(0).reasons.at(0).handling_ns; };
  const auto list = [&](std::vector<std::uint32_t> tids, std::uint64_t asked_ns) {
    std::vector<listed_thread> threads;
    for (const std::uint32_t tid : tids)
      threads.push_back({.tid = tid, .tgid = tid < 20 ? 10U : 20U});
    reader_.note_threads(threads, asked_ns);
  };
  list({10, 12}, 900);
  EXPECT_EQ(in_vmm(), 600U);
  list({10}, 350);
  now_ = 2000;
  EXPECT_EQ(in_vmm(), 1600U) << "a listing from before";
  list({20}, 1900);
  EXPECT_EQ(in_vmm(), 1600U) << "not one of its process";
  list({10, 20}, 1900);
  now_ = 5000;
  EXPECT_EQ(in_vmm(), 1600U);
  EXPECT_EQ(handling(), 1700U);
  list({10, 12}, 6000);
  now_ = 7000;
  EXPECT_EQ(in_vmm(), 6600U) << "it was there after all";
}

TEST_F(SlotTimesTest, VcpusWithPointersAreNotTakenForOne) {
  for (std::size_t i = 0; i < 2; ++i) {
    vcpu_slot& vcpu = slot(i, 10, 0);
    vcpu.vcpu = 0xff00 + i;
    vcpu.exit = kMsrWrite | KVMX_EXIT_IN_VMM;
    vcpu.exit_ns = vcpu.userspace_ns = 400 + i;
  }
  EXPECT_EQ(read().at(0).vcpus.at(0).userspace_ns, 600U + 599U);
}

}  // namespace
}  // namespace kvmx
