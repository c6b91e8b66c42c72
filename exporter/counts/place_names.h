// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "bpf/vcpu_slot.h"

namespace kvmx {

/// Accesses by one key, by enum kvmx_op.
struct KeyCount {
  std::optional<std::uint64_t> key;  ///< nothing: "other"
  std::array<std::uint64_t, KVMX_OPS> accesses{};
};

/// Which of the keys that compete for places (MSRs without a counter of their own, ports, pages)
/// are exported under their names, and which as "other".
///
/// In the kernel such keys compete for the places of their slot. Here each access is booked once,
/// when it is first read, under its key's name or as "other", and stays there: no series steps back
/// when a key loses its place, and all series together are what the kernel counted.
///
/// The names are as bounded as the places, whatever a guest touches over time. The first keys that
/// are seen get them at once. Later on a key must be hot, and the VM's coldest name gives way: its
/// series end, and "other" takes over what they had. That happens on all of the VM's vCPUs at the
/// same time, so that no sum over vCPUs steps back, and once a minute at most, so that a guest
/// cannot make as many series as it likes.
class PlaceNames {
 public:
  /// A key is hot that has so many of a vCPU's accesses by keys, and so many a second.
  static constexpr std::uint64_t kHotShare = 8;
  static constexpr std::uint64_t kHotPerSecond = 10;
  /// For so long the accesses are compared.
  static constexpr std::uint64_t kWindowNs = 1'000'000'000;
  static constexpr std::uint64_t kPauseNs = 60'000'000'000;

  /// What a slot has counted of such keys.
  struct Counted {
    std::uint32_t slot;  ///< its index in the table
    const kvmx_places& places;
    std::span<const kvmx_ops, KVMX_PLACES + 1> counts;  ///< by place; the last: of no place
  };

  /// `kept`: what is kept of a slot's names.
  explicit PlaceNames(exported_places exported_times::*kept) : kept_(kept) {}

  /// Books what a slot has counted since it was last read, and appends it to `counts`, by key.
  void read(const Counted& counted, exported_times& exported, std::vector<KeyCount>& counts);

  /// Whether it is time for give().
  [[nodiscard]] bool due(std::uint64_t now_ns) const { return now_ns - began_ns_ >= kWindowNs; }

  /// Names the hottest key of a VM that has no name yet, if there is one. `slots`: the VM's.
  void give(std::span<const std::uint32_t> slots, std::span<exported_times> exported,
            std::uint64_t now_ns);

  /// To be called when give() was called for all VMs.
  void begin_window(std::uint64_t now_ns);

  /// To be called when a slot is released.
  void forget(std::uint32_t slot) { windows_.erase(slot); }

 private:
  /// Accesses on one vCPU since the window began.
  struct Window {
    std::array<std::uint64_t, KVMX_PLACES> by_place{};  ///< by the key that has it now
    std::array<std::uint64_t, KVMX_PLACES> by_name{};   ///< booked under it
    std::uint64_t all = 0;
    std::optional<std::uint64_t> gave_ns;  ///< when a name last gave way
  };

  /// A slot of the VM that give() is about.
  struct Vcpu {
    exported_places& exported;
    Window& window;
  };

  static void read_place(std::uint32_t place, const Counted& counted, exported_places& exported,
                         Window& window);
  [[nodiscard]] bool is_hot_and_nameless(const Vcpu& vcpu, std::uint32_t place,
                                         std::uint64_t now_ns) const;
  static std::uint64_t accesses(std::span<const Vcpu> vcpus, std::uint64_t key);
  static std::optional<std::uint32_t> free_name(const Vcpu& vcpu, std::span<const Vcpu> vcpus,
                                                std::uint64_t hot);
  static void end_name(std::span<const Vcpu> vcpus, std::uint64_t key);

  exported_places exported_times::*kept_;
  std::map<std::uint32_t, Window> windows_;  ///< by slot
  std::uint64_t began_ns_ = 0;
};

}  // namespace kvmx
