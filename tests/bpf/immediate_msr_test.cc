// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>

#include "tests/bpf/count_shim.h"

namespace {

/// MSR instructions with an immediate, whose MSR KVM alone knows until the next entry.
class ImmediateMsrTest : public testing::Test {
 protected:
  void access(std::uint32_t flags, const shim_msr_exit& exit) {
    slot_->exit = 84 | KVMX_EXIT_MSR | flags;
    slot_->msr_index = 0x10;  // what the exit noted: RCX, which is something else
    slot_->exit_ns = ++now_;
    shim_count_noted_msr(slot_.get(), &exit);
    EXPECT_EQ(slot_->exit, 84U);
  }

  [[nodiscard]] std::uint64_t count(std::uint32_t index, kvmx_op op) {
    return slot_->msr[shim_msr_id(slot_.get(), index)].count[op];
  }

  std::uint64_t now_ = 1000;
  std::unique_ptr<vcpu_slot> slot_ = std::make_unique<vcpu_slot>();
};

TEST_F(ImmediateMsrTest, CountsTheMsrOfTheQualification) {
  access(KVMX_EXIT_MSR_LATE, {.qualification = 0x48, .rax = 0, .rdx = 0, .gp = 0});
  access(KVMX_EXIT_MSR_LATE | KVMX_EXIT_MSR_WRITE,
         {.qualification = 0x48, .rax = 0, .rdx = 0, .gp = 0});
  EXPECT_EQ(count(0x48, KVMX_READ), 1U);
  EXPECT_EQ(count(0x48, KVMX_WRITE), 1U);
  EXPECT_EQ(count(0x10, KVMX_READ) + count(0x10, KVMX_WRITE), 0U) << "not RCX";
}

TEST_F(ImmediateMsrTest, AnIndexHas32Bits) {
  access(KVMX_EXIT_MSR_LATE, {.qualification = 0xabc'0000'0048, .rax = 0, .rdx = 0, .gp = 0});
  EXPECT_EQ(count(0x48, KVMX_READ), 1U);
}

TEST_F(ImmediateMsrTest, AnyWriteProgramsItsTimer) {
  for (int i = 0; i < 3; ++i)
    access(KVMX_EXIT_MSR_LATE | KVMX_EXIT_MSR_WRITE,
           {.qualification = 0x6e0, .rax = 0, .rdx = 0, .gp = 0});
  EXPECT_EQ(slot_->intervals[0], 2U);
  for (int i = 0; i < 3; ++i)
    access(KVMX_EXIT_MSR_WRITE, {.qualification = 0, .rax = 0, .rdx = 0, .gp = 0});
  EXPECT_EQ(count(0x10, KVMX_WRITE), 3U) << "without an immediate it is RCX";
  EXPECT_EQ(slot_->intervals[0], 2U);
}

TEST_F(ImmediateMsrTest, AFaultIsCounted) {
  access(KVMX_EXIT_MSR_LATE | KVMX_EXIT_MSR_WRITE,
         {.qualification = 0x6e0, .rax = 0, .rdx = 0, .gp = 1});
  EXPECT_EQ(slot_->msr_faults[KVMX_WRITE], 1U);
  EXPECT_EQ(count(0x6e0, KVMX_WRITE), 1U);
  EXPECT_EQ(slot_->timer_ns, 0U) << "it programmed nothing";
}

}  // namespace
