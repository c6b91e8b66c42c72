// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <numeric>

#include "tests/bpf/count_shim.h"

namespace {

constexpr std::uint32_t kExit = 7;

class HandlingTest : public testing::Test {
 protected:
  HandlingTest() { slot_->exit = KVMX_EXIT_NONE; }

  void exit(std::uint64_t at_ns, std::uint32_t flags = 0) {
    slot_->exit_ns = at_ns;
    slot_->exit = kExit | flags;
  }

  void enter(std::uint64_t at_ns) {
    shim_clock_ns = at_ns;
    shim_count_entry(slot_.get());
    EXPECT_EQ(slot_->exit, static_cast<unsigned>(KVMX_EXIT_NONE));
  }

  [[nodiscard]] std::uint64_t latencies() const {
    return std::accumulate(std::begin(slot_->latency), std::end(slot_->latency), __u64{0});
  }

  std::unique_ptr<vcpu_slot> slot_ = std::make_unique<vcpu_slot>();
};

TEST_F(HandlingTest, AnExitTakesFromItsStampToTheEntry) {
  exit(1000);
  enter(1400);
  EXPECT_EQ(slot_->reason[kExit].ns, 400U);
  EXPECT_EQ(latencies(), 1U);
  EXPECT_EQ(slot_->halted_ns, 0U);
}

TEST_F(HandlingTest, AClockThatIsBehindAddsNothing) {
  for (const std::uint32_t flags : {0U, static_cast<unsigned>(KVMX_EXIT_IN_VMM)}) {
    exit(1000, flags);
    enter(999);
    EXPECT_EQ(slot_->reason[kExit].ns, 0U);
  }
  EXPECT_EQ(slot_->latency[0], 2U);
}

TEST_F(HandlingTest, AnExitByWhichTheGuestIdlesIsNoLatency) {
  exit(1000, KVMX_EXIT_IDLE);
  enter(5000);
  EXPECT_EQ(slot_->reason[kExit].ns, 4000U);
  EXPECT_EQ(latencies(), 0U);
  EXPECT_EQ(slot_->halted_ns, 0U) << "its reason says so";
}

TEST_F(HandlingTest, AnExitInWhichTheVcpuHaltedIsNoLatencyEither) {
  exit(1000);  // the VMGEXIT of an encrypted guest, say
  shim_count_wakeup(slot_.get(), 3000, 1);
  enter(5000);
  EXPECT_EQ(slot_->halts[KVMX_WAKEUP_WAIT].ns, 3000U);
  EXPECT_EQ(slot_->reason[kExit].ns, 4000U);
  EXPECT_EQ(slot_->halted_ns, 4000U);
  EXPECT_EQ(latencies(), 0U);
}

TEST_F(HandlingTest, AReturnThatWasNotToldIsNoticedWhenTheNextRunBegins) {
  exit(1000);
  shim_count_userspace_exit(slot_.get(), 2, 0);
  EXPECT_FALSE(shim_missed_return(slot_.get()));
  enter(2000);
  EXPECT_TRUE(shim_missed_return(slot_.get()));
  exit(3000, KVMX_EXIT_IDLE);
  EXPECT_TRUE(shim_missed_return(slot_.get()));
  shim_count_userspace_exit(slot_.get(), 2, 0);
  shim_count_wakeup(slot_.get(), 1, 1);  // the next run went on with the halt
  EXPECT_TRUE(shim_missed_return(slot_.get()));
}

TEST_F(HandlingTest, AnMsrAccessThatWasMadeIsStillToBeCountedAfterASignal) {
  exit(1000, KVMX_EXIT_MSR);
  shim_count_userspace_exit(slot_.get(), 2, -EINTR);
  EXPECT_NE(slot_->exit & KVMX_EXIT_MSR, 0U);
  EXPECT_NE(slot_->exit & KVMX_EXIT_IN_VMM, 0U);
}

TEST_F(HandlingTest, AnMsrAccessThatKvmDidNotMakeIsNotCounted) {
  const struct {
    std::uint32_t reason;
    int error;
  } cases[] = {{2, -ENOMEM}, {2, -EFAULT}, {9, 0}, {17, 0}, {29, 0}, {30, 0}};
  for (const auto& [reason, error] : cases) {
    exit(1000, KVMX_EXIT_MSR);
    shim_count_userspace_exit(slot_.get(), reason, error);
    EXPECT_EQ(slot_->exit & KVMX_EXIT_MSR, 0U) << reason << " " << error;
  }
}

}  // namespace
