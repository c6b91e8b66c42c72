// SPDX-License-Identifier: Apache-2.0
// MSRs as a guest touches them, counted as the BPF programs count them, and what is exported.
#include "exporter/counts/place_names.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "exporter/counts/slot_reader.h"
#include "tests/bpf/count_shim.h"

namespace kvmx {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint32_t kHot = 0xc0011020;
constexpr std::size_t kVcpus = 3;
constexpr std::size_t kMostSeries = KVMX_PLACES + 1;  // with "other"

using Series = std::map<std::pair<std::optional<std::uint32_t>, std::size_t>, std::uint64_t>;

class MsrNamesTest : public testing::Test {
 protected:
  MsrNamesTest() {
    for (std::size_t i = 0; i < kVcpus; ++i) {
      slots_[i].tgid = 10;
      slots_[i].vm_start = 100;
      slots_[i].kvm = 1;
      slots_[i].vcpu_id = static_cast<std::uint32_t>(i);
      slots_[i].exit = KVMX_EXIT_NONE;
    }
  }

  void access(std::size_t vcpu, std::uint32_t index, std::uint64_t times = 1,
              kvmx_op op = KVMX_WRITE) {
    for (std::uint64_t i = 0; i < times; ++i)
      ++slots_[vcpu].msr[shim_msr_id(&slots_[vcpu], index)].count[op];
    made_[op] += times;
    index_[index] += times;
  }

  static Series series_of(const VcpuCounts& counts) {
    Series series;
    for (const MsrCount& msr : counts.msrs)
      for (std::size_t op = 0; op < KVMX_OPS; ++op)
        if (msr.accesses[op] != 0) series[{msr.index, op}] = msr.accesses[op];
    return series;
  }

  /// Nothing that is shown again is less than it was.
  static void expect_no_step_back(const Series& before, const Series& now) {
    for (const auto& [key, count] : now) {
      const auto was = before.find(key);
      if (was == before.end()) continue;
      EXPECT_GE(count, was->second) << std::hex << key.first.value_or(~0U) << " " << key.second;
    }
  }

  /// A scrape a second later. Whatever the guest did, these hold of it.
  void scrape() {
    now_ += kSecond;
    const VmCounts vm = reader_
                            ->read(
                                slots_, [](const VmKey&) { return false; }, {}, {}, exported_)
                            .at(0);
    std::array<std::uint64_t, KVMX_OPS> sum{};
    for (std::size_t i = 0; i < vm.vcpus.size(); ++i) {
      const Series now = series_of(vm.vcpus[i]);
      expect_no_step_back(vcpus_[i], now);
      EXPECT_LE(vm.vcpus[i].msrs.size(), kMostSeries);
      for (const auto& [key, count] : now) {
        sum[key.second] += count;
        if (key.first) shown_.insert(*key.first);
      }
      vcpus_[i] = now;
    }
    EXPECT_EQ(sum, made_) << "every access is shown once";
    const Series now = series_of(vm.total);
    expect_no_step_back(vm_, now);
    vm_ = now;
    for (const MsrCount& msr : vm.total.msrs)
      EXPECT_TRUE(!msr.index || msr.accesses[0] + msr.accesses[1] <= index_[*msr.index]);
  }

  [[nodiscard]] std::uint64_t shown(std::optional<std::uint32_t> index,
                                    kvmx_op op = KVMX_WRITE) const {
    const auto found = vm_.find({index, op});
    return found == vm_.end() ? 0 : found->second;
  }

  /// What firmware does on each vCPU: it touches more MSRs than there are places.
  void boot_firmware() {
    for (std::size_t vcpu = 0; vcpu < kVcpus; ++vcpu)
      for (std::uint32_t i = 0; i < 24; ++i) access(vcpu, 0x200 + i, 2);
  }

  std::uint64_t now_ = 100 * kSecond;
  std::unique_ptr<vcpu_slot[]> memory_ = std::make_unique<vcpu_slot[]>(kVcpus);
  std::span<vcpu_slot> slots_{memory_.get(), kVcpus};
  std::array<exported_times, kVcpus> exported_{};
  std::unique_ptr<SlotReader> reader_ = std::make_unique<SlotReader>([this] { return now_; });
  std::array<std::uint64_t, KVMX_OPS> made_{};
  std::map<std::uint32_t, std::uint64_t> index_;  ///< accesses that were made
  std::array<Series, kVcpus> vcpus_;
  Series vm_;
  std::set<std::uint32_t> shown_;  ///< every name that there ever was
};

TEST_F(MsrNamesTest, TheFirstHaveTheirNamesAtOnceAndExactly) {
  for (std::uint32_t i = 0; i < KVMX_PLACES; ++i) access(0, 0x5000 + i, i + 1);
  access(1, 0x5000, 7, KVMX_READ);
  scrape();
  for (std::uint32_t i = 0; i < KVMX_PLACES; ++i) EXPECT_EQ(shown(0x5000 + i), i + 1U);
  EXPECT_EQ(shown(0x5000, KVMX_READ), 7U);
  EXPECT_EQ(shown(std::nullopt), 0U);
}

TEST_F(MsrNamesTest, AStormHasItsNameWhateverFirmwareTouched) {
  boot_firmware();
  scrape();
  scrape();
  for (int second = 0; second < 5; ++second) {
    for (std::size_t vcpu = 0; vcpu < kVcpus; ++vcpu) access(vcpu, kHot, 1000);
    scrape();
  }
  EXPECT_GE(shown(kHot), 3 * 1000 * kVcpus);
}

TEST_F(MsrNamesTest, AMsrThatIsRareKeepsUnderOther) {
  boot_firmware();
  scrape();
  for (int second = 0; second < 30; ++second) {
    access(0, kHot, 5);
    scrape();
  }
  EXPECT_EQ(shown(kHot), 0U);
}

TEST_F(MsrNamesTest, ARotationOverThousandsOfMsrsIsBoundedAndTheHotOneIsNamed) {
  boot_firmware();
  scrape();
  std::uint32_t rotating = 0;
  for (int second = 0; second < 300; ++second) {
    for (int i = 0; i < 500; ++i) {
      for (std::size_t vcpu = 0; vcpu < kVcpus; ++vcpu) {
        access(vcpu, 0x10000 + rotating++ % 48'000, 1, KVMX_READ);
        if (second >= 200) access(vcpu, kHot);
      }
    }
    scrape();
    // A name may have given way to one of the rotation less than a minute before.
    if (second == 265) {
      EXPECT_GT(shown(kHot), 0U);
    }
  }
  EXPECT_GE(shown(kHot), 30 * 500 * kVcpus);
  EXPECT_LE(shown_.size(), KVMX_PLACES * kVcpus + 300 / 60 + 1);
}

TEST_F(MsrNamesTest, StormsOneAfterAnotherHaveTheirNamesAndReturn) {
  boot_firmware();
  scrape();
  for (int round = 0; round < 2; ++round) {
    for (std::uint32_t storm = 0; storm < 20; ++storm) {
      for (int second = 0; second < 70; ++second) {
        for (std::size_t vcpu = 0; vcpu < kVcpus; ++vcpu) access(vcpu, kHot + storm, 200);
        scrape();
      }
      EXPECT_GT(shown(kHot + storm), 0U) << storm;
    }
  }
}

TEST_F(MsrNamesTest, AGuestThatChangesItsStormEachTwoSecondsMakesOneNameAMinute) {
  boot_firmware();
  scrape();
  for (std::uint32_t second = 0; second < 600; ++second) {
    for (std::size_t vcpu = 0; vcpu < kVcpus; ++vcpu) access(vcpu, kHot + second / 2, 200);
    scrape();
  }
  EXPECT_GE(shown_.size(), KVMX_PLACES + 9U);
  EXPECT_LE(shown_.size(), KVMX_PLACES + 11U);
}

TEST_F(MsrNamesTest, ANameThatIsInUseDoesNotGiveWay) {
  for (int second = 0; second < 200; ++second) {
    for (std::uint32_t i = 0; i < KVMX_PLACES; ++i) access(1, 0x5000 + i, 300);
    for (std::uint32_t i = 0; i < KVMX_PLACES && second == 0; ++i) access(0, 0x5000 + i);
    access(0, kHot, 300);
    scrape();
  }
  for (std::uint32_t i = 0; i < KVMX_PLACES; ++i) EXPECT_GE(shown(0x5000 + i), 200 * 300U);
}

TEST_F(MsrNamesTest, ANameThatHasEndedDoesNotComeBackAtOnce) {
  for (std::uint32_t i = 0; i < KVMX_PLACES; ++i) access(0, 0x5000 + i, i == 3 ? 1 : 50);
  access(1, 0x5003, 3);  // a vCPU that has other names to give
  scrape();
  for (int second = 0; second < 10; ++second) {
    for (std::uint32_t i = 0; i < KVMX_PLACES; ++i)
      if (i != 3) access(0, 0x5000 + i, 100);
    access(0, kHot, 500);
    access(1, 0x5003, 3);
    scrape();
  }
  EXPECT_GT(shown(kHot), 0U);
  EXPECT_EQ(shown(0x5003), 0U);
}

TEST_F(MsrNamesTest, AnExporterThatTakesOverGoesOnWithTheSameNames) {
  boot_firmware();
  scrape();
  for (int second = 0; second < 5; ++second) {
    access(0, kHot, 1000);
    scrape();
  }
  const std::uint64_t before = shown(kHot);
  EXPECT_GT(before, 0U);
  access(0, kHot, 500);
  reader_ = std::make_unique<SlotReader>([this] { return now_; });
  scrape();
  EXPECT_EQ(shown(kHot), before + 500);
}

/// Reads while an MSR gives its place to another one, at each step of the kernel's.
TEST_F(MsrNamesTest, APlaceThatChangesHandsWhileItIsReadIsBookedOnce) {
  access(0, 0x5000, 10);
  scrape();
  const std::uint32_t counter = KVMX_FIXED_MSRS;
  slots_[0].msr_places.before[0].count[KVMX_READ] = slots_[0].msr[counter].count[KVMX_READ];
  scrape();
  slots_[0].msr_places.before[0].count[KVMX_WRITE] = slots_[0].msr[counter].count[KVMX_WRITE];
  scrape();
  slots_[0].msr_places.word[0] = 0x6000ULL << KVMX_TURN_BITS | 2;
  scrape();
  slots_[0].msr[counter].count[KVMX_WRITE] += 3;
  made_[KVMX_WRITE] += 3;
  index_[0x6000] += 3;
  scrape();
  EXPECT_EQ(shown(0x5000), 10U);
  EXPECT_EQ(shown(0x6000), 3U);
  EXPECT_EQ(shown(std::nullopt), 0U);
}

TEST_F(MsrNamesTest, AReleasedSlotStartsFromNothing) {
  access(0, 0x5000, 10);
  scrape();
  slots_[0] = {.kvm = 1, .tgid = 10, .vm_start = 100};
  exported_[0] = {};
  reader_->forget(0);
  vcpus_ = {};
  vm_ = {};
  made_ = {};
  access(0, 0x6000, 2);
  scrape();
  EXPECT_EQ(shown(0x6000), 2U);
  EXPECT_EQ(shown(0x5000), 0U);
}

}  // namespace
}  // namespace kvmx
