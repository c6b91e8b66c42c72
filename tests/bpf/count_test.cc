// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <memory>
#include <numeric>
#include <optional>

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

/// The one bucket that `count` counts `ns` in.
template <std::size_t kBuckets>
unsigned bucket_of(void (*count)(__u64*, __u64), std::uint64_t ns) {
  __u64 buckets[kBuckets] = {};
  count(buckets, ns);
  EXPECT_EQ(std::accumulate(std::begin(buckets), std::end(buckets), __u64{0}), 1U);
  return static_cast<unsigned>(std::find(std::begin(buckets), std::end(buckets), 1U) - buckets);
}

unsigned latency_bucket(std::uint64_t ns) {
  return bucket_of<KVMX_LATENCY_BUCKETS>(shim_count_latency, ns);
}

unsigned interval_bucket(std::uint64_t ns) {
  return bucket_of<KVMX_INTERVAL_BUCKETS>(shim_count_interval, ns);
}

TEST(LatencyBucket, IsExactAroundEveryEdge) {
  for (unsigned i = 0; i <= 17; ++i) {
    const std::uint64_t edge = (1'000'000'000ULL << i) >> 21;
    for (std::uint64_t ns = edge - 2; ns <= edge + 2; ++ns)
      EXPECT_EQ(latency_bucket(ns), latency_bucket_by_definition(ns)) << ns;
  }
}

TEST(LatencyBucket, IsExactAroundEveryPowerOfTwo) {
  for (unsigned bit = 0; bit < 64; ++bit) {
    const std::uint64_t power = std::uint64_t{1} << bit;
    for (const std::uint64_t ns : {power - 1, power, power + 1})
      EXPECT_EQ(latency_bucket(ns), latency_bucket_by_definition(ns)) << ns;
  }
  EXPECT_EQ(latency_bucket(~std::uint64_t{0}), KVMX_LATENCY_BUCKETS - 1U);
}

TEST(IntervalBucket, BoundsAreInclusive) {
  constexpr std::uint64_t bounds_us[] = {
#define KVMX_LIST(us) us,
      KVMX_INTERVAL_BOUNDS_US(KVMX_LIST)
#undef KVMX_LIST
  };
  unsigned i = 0;
  for (const std::uint64_t us : bounds_us) {
    EXPECT_EQ(interval_bucket(us * 1000), i);
    EXPECT_EQ(interval_bucket(us * 1000 + 1), ++i);
  }
  EXPECT_EQ(interval_bucket(~std::uint64_t{0}), KVMX_INTERVAL_BUCKETS - 1U);
}

TEST(IntervalBucket, SeparatesTheTicksOfUsualKernels) {
  const unsigned hz1000 = interval_bucket(1'000'000);
  const unsigned hz300 = interval_bucket(3'333'333);
  const unsigned hz250 = interval_bucket(4'000'000);
  const unsigned hz100 = interval_bucket(10'000'000);
  EXPECT_LT(hz1000, hz300);
  EXPECT_LT(hz300, hz250);
  EXPECT_LT(hz250, hz100);
  // A tick that comes 3 % early or late stays where it belongs.
  for (const std::uint64_t ns : {970'000, 1'030'000}) EXPECT_EQ(interval_bucket(ns), hz1000);
  for (const std::uint64_t ns : {3'230'000, 3'430'000}) EXPECT_EQ(interval_bucket(ns), hz300);
  for (const std::uint64_t ns : {3'880'000, 4'120'000}) EXPECT_EQ(interval_bucket(ns), hz250);
  for (const std::uint64_t ns : {9'700'000, 10'300'000}) EXPECT_EQ(interval_bucket(ns), hz100);
}

class OverflowTest : public testing::Test {
 protected:
  std::unique_ptr<vcpu_slot> slot_ = std::make_unique<vcpu_slot>();
};

TEST_F(OverflowTest, FixedMsrsCannotBeDisplaced) {
  for (std::uint32_t index = 0x5000; index < 0x6000; ++index) shim_msr_id(slot_.get(), index);
  EXPECT_EQ(shim_msr_id(slot_.get(), 0x6e0), 0U);
  EXPECT_EQ(shim_msr_id(slot_.get(), 0x838), 1U);
  EXPECT_LT(shim_msr_id(slot_.get(), 0x400000b7), static_cast<unsigned>(KVMX_TIMER_MSRS));
  EXPECT_GE(shim_msr_id(slot_.get(), 0x80b), static_cast<unsigned>(KVMX_TIMER_MSRS));
}

TEST_F(OverflowTest, MsrZeroIsAnIndexLikeAnyOther) {
  EXPECT_EQ(shim_msr_id(slot_.get(), 0), static_cast<unsigned>(KVMX_FIXED_MSRS));
  EXPECT_EQ(shim_msr_id(slot_.get(), 1), KVMX_FIXED_MSRS + 1U);
  EXPECT_EQ(shim_msr_id(slot_.get(), 0), static_cast<unsigned>(KVMX_FIXED_MSRS));
}

/// MSRs that compete for places, counted as the programs count them.
class MsrPlacesTest : public OverflowTest {
 protected:
  void access(std::uint32_t index, std::uint64_t times = 1, kvmx_op op = KVMX_WRITE) {
    for (std::uint64_t i = 0; i < times; ++i) {
      ++slot_->msr[shim_msr_id(slot_.get(), index)].count[op];
      ++made_[op];
    }
  }

  std::optional<std::uint32_t> place_of(std::uint32_t index) const {
    for (std::uint32_t i = 0; i < KVMX_PLACES; ++i)
      if (const __u64 word = slot_->msr_places.word[i]; word && word >> KVMX_TURN_BITS == index)
        return i;
    return std::nullopt;
  }

  /// Accesses since the MSR got its place.
  std::uint64_t own(std::uint32_t index) const {
    const auto place = place_of(index);
    if (!place) return 0;
    std::uint64_t sum = 0;
    for (const kvmx_op op : {KVMX_READ, KVMX_WRITE})
      sum += slot_->msr[KVMX_FIXED_MSRS + *place].count[op] -
             slot_->msr_places.before[*place].count[op];
    return sum;
  }

  void expect_exact_sums() const {
    for (const kvmx_op op : {KVMX_READ, KVMX_WRITE}) {
      std::uint64_t sum = 0;
      for (std::uint32_t id = KVMX_FIXED_MSRS; id < KVMX_MSRS; ++id)
        sum += slot_->msr[id].count[op];
      EXPECT_EQ(sum, made_[op]);
    }
  }

  /// One that was never accessed before.
  std::uint32_t fresh() { return fresh_++; }

  static constexpr std::uint32_t kHot = 0xc0011020;
  std::uint32_t fresh_ = 0x100000;
  std::uint64_t made_[KVMX_OPS] = {};
};

TEST_F(MsrPlacesTest, TheFirstGetAPlaceEach) {
  for (std::uint32_t i = 0; i < KVMX_PLACES; ++i)
    EXPECT_EQ(shim_msr_id(slot_.get(), 0x5000 + i), KVMX_FIXED_MSRS + i);
  EXPECT_EQ(shim_msr_id(slot_.get(), 0x5003), KVMX_FIXED_MSRS + 3U);
  EXPECT_EQ(slot_->msr_places.word[3], 0x5003ULL << KVMX_TURN_BITS | 1);
}

TEST_F(MsrPlacesTest, AFurtherOneWaitsForTheColdestToBeForgotten) {
  for (std::uint32_t i = 0; i < KVMX_PLACES; ++i) access(0x5000 + i, i == 3 ? 2 : 3);
  EXPECT_EQ(shim_msr_id(slot_.get(), kHot), static_cast<unsigned>(KVMX_MSR_OTHER));
  EXPECT_EQ(shim_msr_id(slot_.get(), kHot), static_cast<unsigned>(KVMX_MSR_OTHER));
  EXPECT_EQ(shim_msr_id(slot_.get(), kHot), KVMX_FIXED_MSRS + 3U);
  EXPECT_EQ(slot_->msr_places.word[3] & KVMX_TURN_MASK, 2U);
  EXPECT_EQ(slot_->msr_places.before[3].count[KVMX_WRITE], 2U);
}

TEST_F(MsrPlacesTest, FirmwareDoesNotHideAStorm) {
  // SeaBIOS on each vCPU: the fixed MTRRs, the default type and the variable ones.
  for (const std::uint32_t index : {0x2ffU, 0x250U, 0x258U, 0x259U, 0x268U, 0x269U, 0x26aU, 0x26bU,
                                    0x26cU, 0x26dU, 0x26eU, 0x26fU, 0x200U, 0x201U, 0x2ffU})
    access(index);
  access(kHot, 1000);
  EXPECT_GE(own(kHot), 995U);
  expect_exact_sums();
}

TEST_F(MsrPlacesTest, NoHistoryHidesAStorm) {
  for (std::uint32_t i = 0; i < KVMX_PLACES; ++i) {
    access(0x5000 + i);
    slot_->msr[KVMX_FIXED_MSRS + i].count[KVMX_READ] += 1'000'000'000'000;  // a year of storms
    made_[KVMX_READ] += 1'000'000'000'000;
  }
  access(kHot, 3000);
  EXPECT_GE(own(kHot), 1000U);
  expect_exact_sums();
}

TEST_F(MsrPlacesTest, AGuestThatRotatesOverManyDoesNotHideTheHotOne) {
  for (std::uint32_t i = 0; i < KVMX_PLACES; ++i) access(0x5000 + i, 10'000 * (i + 1));
  for (const std::uint32_t others : {1U, 2U, 4U, 6U}) {  // between two accesses of the hot one
    for (std::uint32_t i = 0; i < 20'000; ++i) {
      access(kHot, 1, KVMX_READ);
      for (std::uint32_t other = 0; other < others; ++other) access(0x10000 + fresh() % 48'000);
    }
    const std::uint64_t before = own(kHot);
    for (std::uint32_t i = 0; i < 1000; ++i) {
      access(kHot, 1, KVMX_READ);
      for (std::uint32_t other = 0; other < others; ++other) access(0x10000 + fresh() % 48'000);
    }
    EXPECT_EQ(own(kHot), before + 1000) << others;
  }
  expect_exact_sums();
}

TEST_F(MsrPlacesTest, BurstsOfOthersDoNotHideTheHotOneForLong) {
  access(kHot, 100'000);
  for (std::uint32_t burst = 0; burst < 20; ++burst) {
    for (std::uint32_t i = 0; i < 1000; ++i) access(fresh());
    EXPECT_GE(own(kHot), 100'000U);
    access(kHot, 100'000);
  }
  for (std::uint32_t i = 0; i < 20'000; ++i) access(fresh());
  EXPECT_EQ(own(kHot), 0U) << "what has become cold makes room";
  expect_exact_sums();
}

TEST_F(MsrPlacesTest, TurnsBeginAgainWithoutAPlaceLookingFree) {
  access(0);
  slot_->msr_places.word[0] |= KVMX_TURN_MASK;
  slot_->msr_places.aged[0] = 1;
  for (std::uint32_t i = 1; i < KVMX_PLACES; ++i) access(0x5000 + i);
  access(0x6000);
  EXPECT_EQ(slot_->msr_places.word[0], 0x6000ULL << KVMX_TURN_BITS | 1);
}

TEST(IoPlaces, PortsAndPagesAreKeysLikeMsrs) {
  auto io = std::make_unique<kvmx_io>();
  constexpr std::uint64_t kTopPage = 0xff'ffff'ffff;  // of 52 bits of address
  for (int i = 0; i < 3; ++i) shim_count_io(io.get(), kTopPage, false);
  shim_count_io(io.get(), kTopPage, true);
  shim_count_io(io.get(), 0, true);
  EXPECT_EQ(io->places.word[0], kTopPage << KVMX_TURN_BITS | 1);
  EXPECT_EQ(io->count[0].count[KVMX_READ], 3U);
  EXPECT_EQ(io->count[0].count[KVMX_WRITE], 1U);
  EXPECT_EQ(io->count[1].count[KVMX_WRITE], 1U);
  for (std::uint64_t key = 1; key < KVMX_PLACES - 1; ++key) shim_count_io(io.get(), key, true);
  shim_count_io(io.get(), 0x100, true);
  EXPECT_EQ(io->count[KVMX_PLACES].count[KVMX_WRITE], 1U) << "no place for it";
}

TEST_F(OverflowTest, ReasonsWithoutAnIdFillThePlacesThenShareOther) {
  for (std::uint32_t i = 0; i < KVMX_OVERFLOW_REASONS; ++i)
    EXPECT_EQ(shim_overflow_reason(slot_.get(), 0x5000 + i), KVMX_DENSE_REASONS + i);
  EXPECT_EQ(shim_overflow_reason(slot_.get(), 0x6000), static_cast<unsigned>(KVMX_REASON_OTHER));
  EXPECT_EQ(shim_overflow_reason(slot_.get(), 0x5003), KVMX_DENSE_REASONS + 3U);
  EXPECT_EQ(slot_->reason_code[3], 0x5003U);
}

TEST(DenseEntry, CodesOutsideTheTableHaveNone) {
  __u16 dense[KVMX_CODES];
  for (unsigned i = 0; i < KVMX_CODES; ++i) dense[i] = static_cast<__u16>(i % 100);
  EXPECT_EQ(shim_dense_entry(dense, 0), 0U);
  EXPECT_EQ(shim_dense_entry(dense, 0xff), 0xffU % 100);
  EXPECT_EQ(shim_dense_entry(dense, 0x400), 0x100U % 100);
  EXPECT_EQ(shim_dense_entry(dense, 0x40f), 0x10fU % 100);
  for (const std::uint64_t code : {0x100UL, 0x3ffUL, 0x410UL, 0x80000001UL, 0x1'0000'0000UL, ~0UL})
    EXPECT_EQ(shim_dense_entry(dense, code), static_cast<unsigned>(KVMX_NOT_DENSE)) << code;
}

TEST(UserspaceExit, ErrorsHaveCountersOfTheirOwn) {
  EXPECT_EQ(shim_userspace_exit_id(2, 0), 2U);
  EXPECT_EQ(shim_userspace_exit_id(2, 1), 2U);
  EXPECT_EQ(shim_userspace_exit_id(2, -EINTR), static_cast<unsigned>(KVMX_USERSPACE_RESTART));
  EXPECT_EQ(shim_userspace_exit_id(2, -EFAULT), static_cast<unsigned>(KVMX_USERSPACE_ERROR));
  EXPECT_EQ(shim_userspace_exit_id(KVMX_USERSPACE_CODES, 0),
            static_cast<unsigned>(KVMX_USERSPACE_OTHER));
}

}  // namespace
