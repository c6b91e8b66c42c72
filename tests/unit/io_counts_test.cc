// SPDX-License-Identifier: Apache-2.0
// Ports, pages and interrupt lines as the BPF programs count them, and what is read of them by VM.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "exporter/counts/slot_reader.h"
#include "tests/bpf/count_shim.h"

namespace kvmx {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::size_t kSlots = 3;

class IoCountsTest : public testing::Test {
 protected:
  IoCountsTest() {
    for (std::size_t i = 0; i < kSlots; ++i) slot(i, 10, static_cast<std::uint32_t>(i), 1);
  }

  void slot(std::size_t index, std::uint32_t tgid, std::uint32_t vcpu_id, std::uint64_t kvm) {
    vcpu_slot& slot = slots_[index];
    slot.exit = KVMX_EXIT_NONE;
    slot.kvm = kvm;
    slot.vcpu_id = vcpu_id;
    slot.tgid = tgid;
    slot.vm_start = 100;
  }

  void access(kvmx_io& io, std::uint64_t key, std::uint64_t times, kvmx_op op = KVMX_READ) {
    for (std::uint64_t i = 0; i < times; ++i) shim_count_io(&io, key, op == KVMX_WRITE);
  }

  /// A reading a second later.
  std::vector<VmCounts> read() {
    now_ += kSecond;
    return reader_.read(
        slots_, [](const VmKey&) { return false; }, {}, {}, exported_, io_);
  }

  static std::uint64_t count(const VmCounts& vm, IoSpace space,
                             std::optional<std::uint64_t> address, kvmx_op op = KVMX_READ) {
    for (const IoCount& io : vm.io)
      if (io.space == space && io.address == address) return io.accesses[op];
    return 0;
  }

  std::uint64_t now_ = 100 * kSecond;
  std::unique_ptr<vcpu_slot[]> memory_ = std::make_unique<vcpu_slot[]>(kSlots);
  std::span<vcpu_slot> slots_{memory_.get(), kSlots};
  std::array<exported_times, kSlots> exported_{};
  std::array<io_counts, kSlots> io_{};
  SlotReader reader_{[this] { return now_; }};
};

TEST_F(IoCountsTest, AreSumsOverAVmsVcpus) {
  access(io_[0].ports, 0x608, 5);
  access(io_[1].ports, 0x608, 7);
  access(io_[1].ports, 0x3f8, 2, KVMX_WRITE);
  access(io_[2].pages, 0xfee00, 3, KVMX_WRITE);
  io_[0].lines[2] = 2000;
  io_[1].lines[2] = 4;
  io_[1].lines[KVMX_LINES] = 9;
  const VmCounts vm = read().at(0);
  EXPECT_EQ(count(vm, IoSpace::port, 0x608), 12U);
  EXPECT_EQ(count(vm, IoSpace::port, 0x3f8, KVMX_WRITE), 2U);
  EXPECT_EQ(count(vm, IoSpace::mmio, 0xfee00000, KVMX_WRITE), 3U);
  EXPECT_EQ(vm.io.size(), 3U);
  EXPECT_EQ(vm.line_changes[2], 2004U);
  EXPECT_EQ(vm.line_changes[KVMX_LINES], 9U);
}

TEST_F(IoCountsTest, BelongToTheVmOfTheirSlot) {
  slot(2, 20, 0, 2);
  access(io_[0].ports, 0x608, 5);
  access(io_[2].ports, 0x608, 7);
  const std::vector<VmCounts> vms = read();
  EXPECT_EQ(count(vms.at(0), IoSpace::port, 0x608), 5U);
  EXPECT_EQ(count(vms.at(1), IoSpace::port, 0x608), 7U);
}

TEST_F(IoCountsTest, OfAThreadsSlotGoToTheOnlyVmOfItsProcess) {
  slot(2, 10, KVMX_VCPU_UNKNOWN, 0);
  access(io_[2].ports, 0x608, 7);
  io_[2].lines[5] = 40;
  const std::vector<VmCounts> vms = read();
  ASSERT_EQ(vms.size(), 1U);
  EXPECT_EQ(count(vms[0], IoSpace::port, 0x608), 7U);
  EXPECT_EQ(vms[0].line_changes[5], 40U);
}

TEST_F(IoCountsTest, NoneIsLostOrTwiceWhateverAGuestTouches) {
  std::uint64_t made = 0;
  std::uint64_t shown_before = 0;
  for (std::uint64_t second = 0; second < 200; ++second) {
    for (std::uint64_t i = 0; i < 50; ++i) access(io_[0].pages, second * 50 + i, 3);
    access(io_[0].pages, 0xabcde, 400);
    made += 550;
    const VmCounts vm = read().at(0);
    std::uint64_t sum = 0;
    for (const IoCount& io : vm.io) sum += io.accesses[KVMX_READ];
    EXPECT_EQ(sum, made);
    EXPECT_LE(vm.io.size(), KVMX_PLACES + 1U);
    const std::uint64_t shown = count(vm, IoSpace::mmio, 0xabcde000);
    EXPECT_GE(shown, shown_before);
    shown_before = shown;
  }
  EXPECT_GE(shown_before, 190 * 400U) << "the hot one is named, and soon";
}

}  // namespace
}  // namespace kvmx
