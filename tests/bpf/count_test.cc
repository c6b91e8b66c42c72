// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

#include "tests/bpf/count_shim.h"

namespace {

/// By the definition: the first i with ns <= 10^9 * 2^i / 2^21, in exact arithmetic.
unsigned latency_bucket_by_definition(std::uint64_t ns) {
  unsigned bucket = 0;
  while (bucket<KVMX_LATENCY_BOUNDS&& static_cast<__uint128_t>(ns) << 21> static_cast<__uint128_t>(
             1'000'000'000)
         << bucket) {
    ++bucket;
  }
  return bucket;
}

TEST(LatencyBucket, IsExactAroundEveryEdge) {
  for (unsigned i = 0; i <= 17; ++i) {
    const std::uint64_t edge = (1'000'000'000ULL << i) >> 21;
    for (std::uint64_t ns = edge - 2; ns <= edge + 2; ++ns)
      EXPECT_EQ(shim_latency_bucket(ns), latency_bucket_by_definition(ns)) << ns;
  }
}

TEST(LatencyBucket, IsExactAroundEveryPowerOfTwo) {
  for (unsigned bit = 0; bit < 64; ++bit) {
    const std::uint64_t power = std::uint64_t{1} << bit;
    for (const std::uint64_t ns : {power - 1, power, power + 1})
      EXPECT_EQ(shim_latency_bucket(ns), latency_bucket_by_definition(ns)) << ns;
  }
  EXPECT_EQ(shim_latency_bucket(~std::uint64_t{0}), KVMX_LATENCY_BUCKETS - 1U);
}

TEST(IntervalBucket, BoundsAreInclusive) {
  constexpr std::uint64_t bounds_us[] = {
#define KVMX_LIST(us) us,
      KVMX_INTERVAL_BOUNDS_US(KVMX_LIST)
#undef KVMX_LIST
  };
  unsigned i = 0;
  for (const std::uint64_t us : bounds_us) {
    EXPECT_EQ(shim_interval_bucket(us * 1000), i);
    EXPECT_EQ(shim_interval_bucket(us * 1000 + 1), ++i);
  }
  EXPECT_EQ(shim_interval_bucket(~std::uint64_t{0}), KVMX_INTERVAL_BUCKETS - 1U);
}

TEST(IntervalBucket, TicksOfUsualKernelsAreToldApart) {
  const unsigned hz1000 = shim_interval_bucket(1'000'000);
  const unsigned hz300 = shim_interval_bucket(3'333'333);
  const unsigned hz250 = shim_interval_bucket(4'000'000);
  const unsigned hz100 = shim_interval_bucket(10'000'000);
  EXPECT_LT(hz1000, hz300);
  EXPECT_LT(hz300, hz250);
  EXPECT_LT(hz250, hz100);
  // A tick that comes 3 % early or late stays where it belongs.
  for (const std::uint64_t ns : {970'000, 1'030'000}) EXPECT_EQ(shim_interval_bucket(ns), hz1000);
  for (const std::uint64_t ns : {3'230'000, 3'430'000}) EXPECT_EQ(shim_interval_bucket(ns), hz300);
  for (const std::uint64_t ns : {3'880'000, 4'120'000}) EXPECT_EQ(shim_interval_bucket(ns), hz250);
  for (const std::uint64_t ns : {9'700'000, 10'300'000}) EXPECT_EQ(shim_interval_bucket(ns), hz100);
}

class SpillTest : public testing::Test {
 protected:
  std::unique_ptr<vcpu_slot> slot_ = std::make_unique<vcpu_slot>();
};

TEST_F(SpillTest, WellKnownMsrsCannotBeDisplaced) {
  for (std::uint32_t index = 0x5000; index < 0x6000; ++index) shim_msr_id(slot_.get(), index);
  EXPECT_EQ(shim_msr_id(slot_.get(), 0x6e0), 0U);
  EXPECT_EQ(shim_msr_id(slot_.get(), 0x838), 1U);
  EXPECT_LT(shim_msr_id(slot_.get(), 0x400000b7), static_cast<unsigned>(KVMX_TIMER_MSRS));
  EXPECT_GE(shim_msr_id(slot_.get(), 0x80b), static_cast<unsigned>(KVMX_TIMER_MSRS));
}

TEST_F(SpillTest, UnknownMsrsTakeTurnsThenShareOther) {
  for (std::uint32_t i = 0; i < KVMX_SPILL_MSRS; ++i)
    EXPECT_EQ(shim_msr_id(slot_.get(), 0x5000 + i), KVMX_FIXED_MSRS + i);
  EXPECT_EQ(shim_msr_id(slot_.get(), 0x6000), static_cast<unsigned>(KVMX_MSR_OTHER));
  EXPECT_EQ(shim_msr_id(slot_.get(), 0x5003), KVMX_FIXED_MSRS + 3U);
  EXPECT_EQ(slot_->msr_index[3], 0x5003U);
}

TEST_F(SpillTest, MsrZeroIsAnIndexLikeAnyOther) {
  EXPECT_EQ(shim_msr_id(slot_.get(), 0), static_cast<unsigned>(KVMX_FIXED_MSRS));
  EXPECT_EQ(shim_msr_id(slot_.get(), 1), KVMX_FIXED_MSRS + 1U);
  EXPECT_EQ(shim_msr_id(slot_.get(), 0), static_cast<unsigned>(KVMX_FIXED_MSRS));
}

TEST_F(SpillTest, VmxReasonsAreBasicReasons) {
  EXPECT_EQ(shim_vmx_reason_id(slot_.get(), 12), 12U);
  EXPECT_EQ(shim_vmx_reason_id(slot_.get(), 0x80000021), 33U);  // FAILED_VMENTRY, INVALID_STATE
  EXPECT_EQ(shim_vmx_reason_id(slot_.get(), 200), static_cast<unsigned>(KVMX_DENSE_REASONS));
  EXPECT_EQ(slot_->reason_code[0], 200U);
}

TEST(UserExit, ErrorsHaveCountersOfTheirOwn) {
  EXPECT_EQ(shim_user_exit_id(2, 0), 2U);
  EXPECT_EQ(shim_user_exit_id(2, 1), 2U);
  EXPECT_EQ(shim_user_exit_id(2, -EINTR), static_cast<unsigned>(KVMX_USER_RESTART));
  EXPECT_EQ(shim_user_exit_id(2, -EFAULT), static_cast<unsigned>(KVMX_USER_ERROR));
  EXPECT_EQ(shim_user_exit_id(KVMX_USER_CODES, 0), static_cast<unsigned>(KVMX_USER_OTHER));
}

}  // namespace
