// SPDX-License-Identifier: Apache-2.0
#include "exporter/counts/slot_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "exporter/kernel/reason_ids.h"

namespace kvmx {
namespace {

constexpr std::uint32_t kHlt = 12;  // VMX basic exit reasons
constexpr std::uint32_t kMsrWrite = 32;

class SlotReaderTest : public testing::Test {
 protected:
  vcpu_slot& slot(std::size_t index, std::uint32_t tgid, std::uint32_t vcpu_id,
                  std::uint64_t kvm = 1) {
    vcpu_slot& made = slots_[index];
    made.tgid = tgid;
    made.tid = tgid + 1 + vcpu_id;
    made.vm_start = 100;
    made.kvm = kvm;
    made.vcpu_id = vcpu_id;
    made.isa = KVMX_ISA_VMX;
    made.exit = KVMX_EXIT_NONE;
    std::strcpy(made.comm, "qemu");
    return made;
  }

  std::vector<VmCounts> read() {
    return reader_.read(
        slots_, [this](const VmKey&) { return ended_; }, listing_);
  }

  /// What a list says that is begun now.
  void list(bool asleep) {
    listing_.asked = std::chrono::steady_clock::time_point(std::chrono::nanoseconds(now_));
    listing_.vcpus = {{10, 100, 1, 0, "qemu", asleep}};
  }

  std::uint64_t handling(std::uint32_t code) {
    const std::vector<VmCounts> vms = read();
    for (const ReasonCount& reason : vms.at(0).vcpus.at(0).reasons)
      if (reason.code == code) return reason.handling_ns;
    return 0;
  }

  std::uint64_t now_ = 1000;
  bool ended_ = false;
  VcpuListing listing_;
  std::unique_ptr<vcpu_slot[]> memory_ = std::make_unique<vcpu_slot[]>(4);
  std::span<vcpu_slot> slots_{memory_.get(), 4};
  SlotReader reader_{[this] { return now_; }};
};

TEST_F(SlotReaderTest, NoSlotInUseNoVm) { EXPECT_TRUE(read().empty()); }

TEST_F(SlotReaderTest, VcpusOfOneVmAreTogetherInOrder) {
  slot(0, 10, 1).reason[kHlt].count = 5;
  slot(1, 10, 0).reason[kMsrWrite].count = 7;
  slot(2, 20, 0);
  const auto vms = read();
  ASSERT_EQ(vms.size(), 2U);
  EXPECT_EQ(vms[0].comm, "qemu");
  EXPECT_EQ(vms[0].isa, Isa::vmx);
  ASSERT_EQ(vms[0].vcpus.size(), 2U);
  EXPECT_EQ(vms[0].vcpus[0].id, 0U);
  EXPECT_EQ(vms[0].vcpus[0].reasons.at(0).code, kMsrWrite);
  EXPECT_EQ(vms[0].vcpus[0].reasons.at(0).exits, 7U);
  EXPECT_EQ(vms[0].vcpus[1].reasons.at(0).exits, 5U);
  EXPECT_EQ(vms[0].slots, (std::vector<std::uint32_t>{0, 1}));
}

TEST_F(SlotReaderTest, SlotsOfOneVcpuAddUp) {
  vcpu_slot& first = slot(0, 10, 0);
  vcpu_slot& second = slot(1, 10, 0);
  first.reason[kHlt].count = 5;
  second.reason[kHlt].count = 6;
  second.reason[kMsrWrite].count = 1;
  first.msr[0].count[KVMX_WRITE] = 2;
  second.msr[0].count[KVMX_WRITE] = 3;
  second.timer_arms[KVMX_TIMER_HV] = 4;
  const auto vms = read();
  ASSERT_EQ(vms.at(0).vcpus.size(), 1U);
  const VcpuCounts& vcpu = vms[0].vcpus[0];
  ASSERT_EQ(vcpu.reasons.size(), 2U);
  EXPECT_EQ(vcpu.reasons[0].exits, 11U);
  EXPECT_EQ(vcpu.msrs.at(0).index, 0x6e0U);
  EXPECT_EQ(vcpu.msrs[0].accesses[KVMX_WRITE], 5U);
  EXPECT_EQ(vcpu.timer_arms[KVMX_TIMER_HV], 4U);
}

TEST_F(SlotReaderTest, AVmsTotalIsTheSumOfItsVcpus) {
  vcpu_slot& first = slot(0, 10, 0);
  vcpu_slot& second = slot(1, 10, 1);
  vcpu_slot& third = slot(2, 10, 2);
  first.reason[kMsrWrite] = {5, 50};
  second.reason[kHlt] = {1, 10};
  second.reason[kMsrWrite] = {6, 60};
  third.reason[kMsrWrite + 1] = {7, 70};
  third.reason[kHlt] = {2, 20};
  for (vcpu_slot& one : slots_.first(3)) {
    one.msr[0].count[KVMX_WRITE] = 2;
    one.msr_faults[KVMX_READ] = 3;
    one.timer_arms[KVMX_TIMER_SW] = 4;
    one.halts[KVMX_WAKEUP_POLL] = {5, 6};
    one.userspace_exits[2] = 7;
    one.userspace_total_ns = 8;
  }
  first.timer_seen = second.timer_seen = 1 + KVMX_TIMER_HV;
  third.timer_seen = 1 + KVMX_TIMER_SW;
  const VcpuCounts total = read().at(0).total;
  ASSERT_EQ(total.reasons.size(), 3U);
  EXPECT_EQ(total.reasons[0].code, kHlt);
  EXPECT_EQ(total.reasons[0].exits, 3U);
  EXPECT_EQ(total.reasons[0].handling_ns, 30U);
  EXPECT_EQ(total.reasons[1].code, kMsrWrite);
  EXPECT_EQ(total.reasons[1].exits, 11U);
  EXPECT_EQ(total.reasons[2].exits, 7U);
  ASSERT_EQ(total.msrs.size(), 1U);
  EXPECT_EQ(total.msrs[0].accesses[KVMX_WRITE], 6U);
  EXPECT_EQ(total.msr_faults[KVMX_READ], 9U);
  EXPECT_EQ(total.timer_arms[KVMX_TIMER_SW], 12U);
  EXPECT_EQ(total.hv_timers_in_use, 2U);
  EXPECT_EQ(total.halts[KVMX_WAKEUP_POLL].halts, 15U);
  EXPECT_EQ(total.halts[KVMX_WAKEUP_POLL].ns, 18U);
  ASSERT_EQ(total.userspace_exits.size(), 1U);
  EXPECT_EQ(total.userspace_exits[0].exits, 21U);
  EXPECT_EQ(total.userspace_ns, 24U);
}

TEST_F(SlotReaderTest, EventsBeforeTheVmIsKnownBelongToTheProcesssVm) {
  slot(0, 10, KVMX_VCPU_UNKNOWN, 0).msr[0].count[KVMX_READ] = 3;
  slot(1, 10, 0).reason[kHlt].count = 1;
  const auto vms = read();
  ASSERT_EQ(vms.size(), 1U);
  EXPECT_EQ(vms[0].key.kvm, 1U);
  ASSERT_EQ(vms[0].vcpus.size(), 2U);
  EXPECT_FALSE(vms[0].vcpus[0].id.has_value());
  EXPECT_EQ(vms[0].slots.size(), 2U);
}

TEST_F(SlotReaderTest, AVmThatNeverRanIsThereByItsListedVcpus) {
  slot(0, 10, 0).reason[kHlt].count = 1;
  listing_.vcpus = {{10, 100, 1, 0, "qemu"}, {10, 100, 1, 1, "qemu"}, {20, 100, 1, 0, "idle"}};
  const auto vms = read();
  ASSERT_EQ(vms.size(), 2U);
  EXPECT_EQ(vms[0].listed, 2U);
  EXPECT_EQ(vms[0].vcpus.size(), 1U);
  EXPECT_EQ(vms[1].listed, 1U);
  EXPECT_EQ(vms[1].comm, "idle");
  EXPECT_TRUE(vms[1].vcpus.empty());
  EXPECT_TRUE(vms[1].slots.empty());
}

TEST_F(SlotReaderTest, EventsBeforeTheVmIsKnownWaitWhereTheProcessHasSeveral) {
  slot(0, 10, KVMX_VCPU_UNKNOWN, 0).msr[0].count[KVMX_READ] = 3;
  slot(1, 10, 0, 1).reason[kHlt].count = 1;
  slot(2, 10, 0, 2).reason[kHlt].count = 1;
  const auto vms = read();
  ASSERT_EQ(vms.size(), 2U);
  EXPECT_TRUE(vms[0].total.msrs.empty());
  EXPECT_TRUE(vms[1].total.msrs.empty());
  EXPECT_EQ(vms[0].slots.size(), 2U) << "to be released with the process's VMs";
}

TEST_F(SlotReaderTest, VmsOfOneProcessStayApart) {
  slot(0, 10, 0, 1).reason[kHlt].count = 1;
  slot(1, 10, 0, 2).reason[kHlt].count = 2;
  EXPECT_EQ(read().size(), 2U);
}

TEST_F(SlotReaderTest, OverflowCodesAndMsrsKeepTheirOwnNumbers) {
  vcpu_slot& vcpu = slot(0, 10, 0);
  vcpu.reason_code[1] = 0xabcd;
  vcpu.reason[KVMX_DENSE_REASONS + 1].count = 2;
  vcpu.reason[KVMX_REASON_OTHER].count = 9;
  vcpu.msr_places.word[0] = 1;  // index 0, one like any other
  vcpu.msr[KVMX_FIXED_MSRS].count[KVMX_READ] = 4;
  vcpu.msr[KVMX_MSR_OTHER].count[KVMX_WRITE] = 8;
  const VcpuCounts counts = read().at(0).vcpus.at(0);
  ASSERT_EQ(counts.reasons.size(), 2U);
  EXPECT_FALSE(counts.reasons[0].code.has_value());
  EXPECT_EQ(counts.reasons[0].exits, 9U);
  EXPECT_EQ(counts.reasons[1].code, 0xabcdU);
  ASSERT_EQ(counts.msrs.size(), 2U);
  EXPECT_FALSE(counts.msrs[0].index.has_value());
  EXPECT_EQ(counts.msrs[1].index, 0U);
}

TEST_F(SlotReaderTest, ACodeThatIsThereTwiceIsOneReason) {
  vcpu_slot& vcpu = slot(0, 10, 0);
  vcpu.reason[kHlt] = {1, 10};
  vcpu.reason[KVMX_VMX_REASONS] = {2, 20};  // an id that no code has
  vcpu.reason[KVMX_REASON_OTHER] = {3, 30};
  vcpu.reason_code[0] = 0x80000000U | kHlt;
  vcpu.reason[KVMX_DENSE_REASONS] = {4, 40};
  const VcpuCounts counts = read().at(0).vcpus.at(0);
  ASSERT_EQ(counts.reasons.size(), 2U);
  EXPECT_FALSE(counts.reasons[0].code.has_value());
  EXPECT_EQ(counts.reasons[0].exits, 5U);
  EXPECT_EQ(counts.reasons[1].code, kHlt);
  EXPECT_EQ(counts.reasons[1].exits, 5U);
  EXPECT_EQ(counts.reasons[1].handling_ns, 50U);
}

TEST_F(SlotReaderTest, TimerStateIsNotThereBeforeTheFirstArming) {
  vcpu_slot& vcpu = slot(0, 10, 0);
  EXPECT_FALSE(read().at(0).vcpus.at(0).hv_timers_in_use.has_value());
  vcpu.timer_seen = 1 + KVMX_TIMER_SW;
  EXPECT_EQ(read().at(0).vcpus.at(0).hv_timers_in_use, 0U);
  vcpu.timer_seen = 1 + KVMX_TIMER_HV;
  EXPECT_EQ(read().at(0).vcpus.at(0).hv_timers_in_use, 1U);
}

TEST_F(SlotReaderTest, TheExitInProgressCountsUpToNow) {
  vcpu_slot& vcpu = slot(0, 10, 0);
  vcpu.reason[kHlt] = {3, 500};
  vcpu.exit = kHlt | KVMX_EXIT_IDLE;
  vcpu.exit_ns = 900;
  EXPECT_EQ(handling(kHlt), 600U);
  now_ = 2000;
  EXPECT_EQ(handling(kHlt), 1600U);
}

TEST_F(SlotReaderTest, TimeShownIsHeldUntilTheKernelsFigureComesIn) {
  vcpu_slot& vcpu = slot(0, 10, 0);
  vcpu.reason[kHlt] = {1, 0};
  vcpu.exit = kHlt | KVMX_EXIT_IDLE;
  vcpu.exit_ns = 400;
  EXPECT_EQ(handling(kHlt), 600U);
  vcpu.exit = KVMX_EXIT_NONE;  // the entry's first step; its second, the sum, is still to come
  EXPECT_EQ(handling(kHlt), 600U);
  vcpu.reason[kHlt].ns = 650;
  EXPECT_EQ(handling(kHlt), 650U);
}

TEST_F(SlotReaderTest, ASleepInProgressCountsOnceItIsSurelyOne) {
  vcpu_slot& vcpu = slot(0, 10, 0);
  vcpu.halts[KVMX_WAKEUP_WAIT] = {2, 700};
  vcpu.exit = kHlt | KVMX_EXIT_IDLE;
  vcpu.exit_ns = 1000;
  const auto halted = [&] { return read().at(0).vcpus.at(0).halts[KVMX_WAKEUP_WAIT]; };
  now_ = 9'000'000;
  EXPECT_EQ(halted().ns, 700U);
  now_ = 600'000'001'000;
  EXPECT_EQ(halted().ns, 600'000'000'700U);
  EXPECT_EQ(halted().halts, 2U);
  vcpu.exit |=
      KVMX_EXIT_HALT_ENDED;  // woken; the kernel's own figure is a little less, and not in yet
  EXPECT_EQ(halted().ns, 600'000'000'700U);
  vcpu.halts[KVMX_WAKEUP_WAIT] = {3, 599'999'999'700};
  EXPECT_EQ(halted().ns, 600'000'000'700U);
  vcpu.halts[KVMX_WAKEUP_WAIT] = {4, 600'100'000'000};
  EXPECT_EQ(halted().ns, 600'100'000'000U);
}

/// A vCPU that a signal took out of its sleep, and out of KVM_RUN.
class WokenTest : public SlotReaderTest {
 protected:
  WokenTest() {
    vcpu_.exit = kHlt | KVMX_EXIT_IDLE | KVMX_EXIT_HALT_ENDED | KVMX_EXIT_IN_VMM;
    vcpu_.exit_ns = 1000;
    vcpu_.halts[KVMX_WAKEUP_WAIT] = {1, 5 * kSecond};
    vcpu_.userspace_ns = 5 * kSecond;
    vcpu_.userspace_total_ns = 7;
    now_ = 6 * kSecond;
    read();
    now_ = 7 * kSecond;
  }

  std::uint64_t halted() { return read().at(0).vcpus.at(0).halts[KVMX_WAKEUP_WAIT].ns; }
  std::uint64_t in_vmm() { return read().at(0).vcpus.at(0).userspace_ns; }

  static constexpr std::uint64_t kSecond = 1'000'000'000;
  vcpu_slot& vcpu_ = slot(0, 10, 0);
};

TEST_F(WokenTest, IsTakenForNothingBeforeAListTells) {
  EXPECT_EQ(halted(), 5 * kSecond);
  EXPECT_EQ(in_vmm(), 7U);
}

TEST_F(WokenTest, IsTakenForNothingIfTheListMayBeOlder) {
  now_ = 6 * kSecond;
  list(true);
  now_ = 7 * kSecond;
  EXPECT_EQ(halted(), 5 * kSecond);
  EXPECT_EQ(in_vmm(), 7U);
}

TEST_F(WokenTest, SleepsAgainSinceAListSaysSo) {
  list(true);
  now_ = 8 * kSecond;
  EXPECT_EQ(halted(), 6 * kSecond);
  list(true);
  now_ = 600 * kSecond;
  EXPECT_EQ(halted(), 598 * kSecond);
  EXPECT_EQ(in_vmm(), 7U);
}

TEST_F(WokenTest, AnotherHaltThatEndedIsCountedOnce) {
  list(true);
  now_ = 600 * kSecond;
  EXPECT_EQ(halted(), 598 * kSecond);
  vcpu_.halts[KVMX_WAKEUP_WAIT] = {2, 599 * kSecond};
  vcpu_.userspace_ns = 0;
  vcpu_.userspace_total_ns = 9;
  EXPECT_EQ(halted(), 599 * kSecond);
  now_ = 700 * kSecond;
  EXPECT_EQ(halted(), 599 * kSecond);
  EXPECT_EQ(in_vmm(), 9U);
}

TEST_F(WokenTest, IsWithItsVmmIfAListSaysSo) {
  list(false);
  now_ = 8 * kSecond;
  EXPECT_EQ(in_vmm(), 3 * kSecond + 7);
  EXPECT_EQ(halted(), 5 * kSecond);
}

TEST_F(WokenTest, OneThatLeftBeforeItSleptIsTheSame) {
  vcpu_.exit = kHlt | KVMX_EXIT_IDLE | KVMX_EXIT_IN_VMM;
  EXPECT_EQ(halted(), 5 * kSecond);
  EXPECT_EQ(in_vmm(), 7U);
  list(true);
  now_ = 8 * kSecond;
  EXPECT_EQ(halted(), 6 * kSecond);
}

TEST_F(SlotReaderTest, AStayInTheVmmCountsUpToNow) {
  vcpu_slot& vcpu = slot(0, 10, 0);
  vcpu.userspace_exits[2] = 3;
  vcpu.userspace_total_ns = 50;
  vcpu.userspace_ns = 400;
  const VcpuCounts counts = read().at(0).vcpus.at(0);
  EXPECT_EQ(counts.userspace_ns, 650U);
  ASSERT_EQ(counts.userspace_exits.size(), 1U);
  EXPECT_EQ(counts.userspace_exits[0].id, 2U);
  EXPECT_EQ(counts.userspace_exits[0].exits, 3U);
  vcpu.userspace_ns = 0;
  EXPECT_EQ(read().at(0).vcpus.at(0).userspace_ns, 650U);
}

TEST_F(SlotReaderTest, HistogramsOfAVmAddUpAndWaitsAreNoLatency) {
  for (const std::size_t i : {0, 1}) {
    vcpu_slot& vcpu = slot(i, 10, static_cast<std::uint32_t>(i));
    vcpu.latency[3] = 5;
    vcpu.intervals[4] = 6;
    vcpu.interval_total_ns = 100;
    vcpu.reason[kHlt] = {9, 9'000'000};
    vcpu.reason[kMsrWrite] = {5, 2'000};
  }
  const auto vms = read();
  EXPECT_EQ(vms.at(0).latency.buckets[3], 10U);
  EXPECT_EQ(vms[0].latency.sum_ns, 4'000U);
  EXPECT_EQ(vms[0].intervals.buckets[4], 12U);
  EXPECT_EQ(vms[0].intervals.sum_ns, 200U);
}

TEST_F(SlotReaderTest, TimesOfAVmThatEndedStandStill) {
  vcpu_slot& vcpu = slot(0, 10, 0);
  vcpu.reason[kHlt] = {1, 0};
  vcpu.exit = kHlt | KVMX_EXIT_IDLE;
  vcpu.exit_ns = 400;
  vcpu.userspace_ns = 400;
  now_ = 20'000'400;
  EXPECT_EQ(handling(kHlt), 20'000'000U);
  ended_ = true;
  now_ = 300'000'000'000;
  const VcpuCounts counts = read().at(0).vcpus.at(0);
  EXPECT_EQ(counts.reasons.at(0).handling_ns, 20'000'000U);
  EXPECT_EQ(counts.halts[KVMX_WAKEUP_WAIT].ns, 20'000'000U);
  EXPECT_EQ(counts.userspace_ns, 20'000'000U);
}

TEST_F(SlotReaderTest, AForgottenSlotStartsFromNothing) {
  vcpu_slot& vcpu = slot(0, 10, 0);
  vcpu.reason[kHlt] = {1, 0};
  vcpu.exit = kHlt | KVMX_EXIT_IDLE;
  vcpu.exit_ns = 400;
  EXPECT_EQ(handling(kHlt), 600U);
  std::memset(&vcpu, 0, sizeof(vcpu));
  reader_.forget(0);
  slot(0, 30, 0).reason[kHlt].count = 1;
  EXPECT_EQ(handling(kHlt), 0U);
}

}  // namespace
}  // namespace kvmx
