// SPDX-License-Identifier: Apache-2.0
// Slots as the kernel might write them, by a script of arbitrary bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "bpf/vcpu_slot.h"

namespace kvmx {

/// The bytes that decide what happens; zeros once there are no more.
class Script {
 public:
  explicit Script(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  [[nodiscard]] bool ended() const { return bytes_.empty(); }
  [[nodiscard]] std::uint8_t peek() const { return bytes_.empty() ? 0 : bytes_.front(); }

  template <typename Number = std::uint8_t>
  Number take() {
    Number number{};
    const std::size_t size = std::min(sizeof(Number), bytes_.size());
    std::memcpy(&number, bytes_.data(), size);
    bytes_ = bytes_.subspan(size);
    return number;
  }

  /// Small numbers mostly, great ones at times.
  std::uint64_t take_scaled(unsigned most_bits) {
    const std::uint64_t number = take();
    return number << take() % (most_bits - 7);
  }

 private:
  std::span<const std::uint8_t> bytes_;
};

/// Offsets of all words of a slot that only grow.
inline const std::vector<std::size_t>& counter_offsets() {
  static const std::vector<std::size_t> offsets = [] {
    std::vector<std::size_t> found;
    const auto add = [&found](std::size_t begin, std::size_t end) {
      for (std::size_t at = begin; at < end; at += sizeof(__u64)) found.push_back(at);
    };
    add(offsetof(vcpu_slot, timer_arms), offsetof(vcpu_slot, reason_code));
    add(offsetof(vcpu_slot, msr), offsetof(vcpu_slot, msr) + sizeof(vcpu_slot::msr));
    add(offsetof(vcpu_slot, reason), sizeof(vcpu_slot));
    return found;
  }();
  return offsets;
}

/// A few slots. What is in them is as the kernel's programs leave it, so that counters only grow
/// and whose slot it is does not change, but nothing else is sure: exits begin in the future,
/// places change hands at any time. Or, `wild`, any word may be anything.
class Slots {
 public:
  static constexpr std::size_t kCount = 4;

  Slots(Script& script, bool wild) : script_(script), wild_(wild) {
    const std::uint32_t isa = wild ? script.take<std::uint32_t>() : script.take() % 3U;
    for (std::size_t i = 0; i < kCount; ++i) make(i, isa);
  }

  [[nodiscard]] std::span<const vcpu_slot> all() const { return {memory_.get(), kCount}; }
  [[nodiscard]] std::span<const event_counts> events() const { return {events_.get(), kCount}; }
  [[nodiscard]] std::span<const io_counts> io() const { return {io_.get(), kCount}; }
  [[nodiscard]] std::uint64_t now() const { return now_; }

  /// What the kernel does next.
  void step() {
    const std::uint8_t what = script_.take();
    vcpu_slot& slot = memory_[script_.take() % kCount];
    switch (what & 7U) {
      case 0:
      case 1:
        return count(slot);
      case 2:
      case 3:
        return set_state(slot);
      case 4:
        return take_place(slot);
      case 5:
        if ((script_.peek() & 1U) != 0) return count_io(slot);
        events_[slot.index % kCount].count[script_.take() % KVMX_EVENTS] += script_.take();
        return;
      case 6:
        if (wild_) return scribble(slot);
        [[fallthrough]];
      default:
        now_ += script_.take_scaled(40);
    }
  }

 private:
  void make(std::size_t i, std::uint32_t isa) {
    vcpu_slot& slot = memory_[i];
    const std::uint8_t who = script_.take();
    slot.tgid = 1 + (who & 1U);
    slot.vm_start = 100;
    // That a slot's VM is not known yet is for the wild: what is shown of it changes hands.
    slot.kvm = wild_ ? who >> 1U & 3U : 0xffff0000U + (who >> 1U & 1U);
    slot.vcpu_id = (who >> 3U & 3U) == 3U ? KVMX_VCPU_UNKNOWN : who >> 3U & 3U;
    slot.vcpu = (who & 0x20U) != 0 ? 0xffff8000 + 16 * i : 0;
    slot.isa = isa;
    slot.index = static_cast<std::uint32_t>(i);
    slot.exit = KVMX_EXIT_NONE;
    for (std::uint32_t place = 0; place < KVMX_OVERFLOW_REASONS; ++place)
      slot.reason_code[place] = 0x80000 + place;
    for (char& c : slot.comm) c = wild_ ? static_cast<char>(script_.take()) : 'q';
  }

  static __u64& word(vcpu_slot& slot, std::size_t offset) {
    return *reinterpret_cast<__u64*>(reinterpret_cast<char*>(&slot) + offset);
  }

  void count(vcpu_slot& slot) {
    const auto& offsets = counter_offsets();
    word(slot, offsets[script_.take<std::uint16_t>() % offsets.size()]) += script_.take_scaled(40);
  }

  /// What the vCPU is doing, and since when: anything.
  void set_state(vcpu_slot& slot) {
    constexpr std::array<std::size_t, 7> kWords = {
        offsetof(vcpu_slot, vcpu),        offsetof(vcpu_slot, exit_ns),
        offsetof(vcpu_slot, timer_ns),    offsetof(vcpu_slot, userspace_ns),
        offsetof(vcpu_slot, fast_start),  offsetof(vcpu_slot, vmcb),
        offsetof(vcpu_slot, thread_start)};
    const std::uint8_t which = script_.take();
    if ((which & 0x80U) != 0) {
      slot.exit = script_.take<std::uint16_t>();
    } else if ((which & 0x40U) != 0) {
      slot.timer_seen = script_.take();
      slot.tid = script_.take();
    } else if ((which & 0x20U) != 0) {
      word(slot, kWords[which % kWords.size()]) = script_.take<std::uint64_t>();
    } else {
      word(slot, kWords[which % kWords.size()]) = now_ - script_.take_scaled(40);
    }
  }

  /// As kvmx_take_place() does it.
  static void take_place(kvmx_places& places, const kvmx_ops* counts, std::size_t i, __u64 key) {
    const __u64 turn = (places.word[i] + 1) & KVMX_TURN_MASK;
    places.before[i] = counts[i];
    places.word[i] = key << KVMX_TURN_BITS | (turn != 0 ? turn : 1);
  }

  void take_place(vcpu_slot& slot) {
    const std::uint8_t place = script_.take();
    const __u64 key = script_.take() % 16U;
    io_counts& io = io_[slot.index % kCount];
    kvmx_io& devices = (place & 0x40U) != 0 ? io.ports : io.pages;
    if ((place & 0x80U) != 0)
      take_place(devices.places, devices.count, place % KVMX_PLACES, key);
    else
      take_place(slot.msr_places, slot.msr + KVMX_FIXED_MSRS, place % KVMX_PLACES, key);
  }

  /// Ports, pages and lines.
  void count_io(vcpu_slot& slot) {
    io_counts& io = io_[slot.index % kCount];
    const std::uint8_t what = script_.take();
    kvmx_io& devices = (what & 0x40U) != 0 ? io.ports : io.pages;
    __u64& counter = (what & 0x80U) != 0
                         ? io.lines[what % (KVMX_LINES + 1)]
                         : devices.count[what % (KVMX_PLACES + 1)].count[what >> 5U & 1U];
    counter += script_.take_scaled(40);
  }

  void scribble(vcpu_slot& slot) {
    const std::size_t begin = script_.take<std::uint16_t>() % sizeof(slot);
    const std::size_t size = std::min<std::size_t>(script_.take(), sizeof(slot) - begin);
    char* const bytes = reinterpret_cast<char*>(&slot) + begin;
    const bool same = (script_.peek() & 1U) != 0;
    const auto filler = static_cast<char>(script_.take());
    for (std::size_t i = 0; i < size; ++i)
      bytes[i] = same ? filler : static_cast<char>(script_.take());
  }

  Script& script_;
  const bool wild_;
  std::unique_ptr<vcpu_slot[]> memory_ = std::make_unique<vcpu_slot[]>(kCount);
  std::unique_ptr<event_counts[]> events_ = std::make_unique<event_counts[]>(kCount);
  std::unique_ptr<io_counts[]> io_ = std::make_unique<io_counts[]>(kCount);
  std::uint64_t now_ = 1'000'000'000'000;
};

}  // namespace kvmx
