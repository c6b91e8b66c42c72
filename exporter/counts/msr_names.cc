// SPDX-License-Identifier: Apache-2.0
#include "exporter/counts/msr_names.h"

#include <algorithm>
#include <utility>

#include "exporter/counts/load.h"

namespace kvmx {
namespace {

constexpr std::uint32_t kNames = KVMX_OVERFLOW_MSRS;

bool operator==(const kvmx_msr_place& one, const kvmx_msr_place& other) {
  return one.index == other.index && one.turn == other.turn;
}

std::uint64_t sum(const kvmx_msr& msr) {
  return msr.count[KVMX_MSR_READ] + msr.count[KVMX_MSR_WRITE];
}

bool is_named(const exported_msrs& exported, std::uint32_t name) {
  return (exported.named >> name & 1U) != 0;
}

std::optional<std::uint32_t> find_name(const exported_msrs& exported, std::uint32_t index) {
  for (std::uint32_t name = 0; name < kNames; ++name)
    if (is_named(exported, name) && exported.index[name] == index) return name;
  return std::nullopt;
}

void set_name(exported_msrs& exported, std::uint32_t name, std::uint32_t index) {
  exported.index[name] = index;
  exported.count[name] = {};
  exported.named |= 1U << name;
}

/// The name of an MSR, which it is given if it is among the first.
std::optional<std::uint32_t> name_of(exported_msrs& exported, std::uint32_t index) {
  const auto known = find_name(exported, index);
  if (known || exported.given >= kNames) return known;
  const std::uint32_t name = exported.given++;
  set_name(exported, name, index);
  return name;
}

}  // namespace

/// Books the accesses at a place. Those before its MSR got it are of MSRs that are not known.
void MsrNames::read_place(std::uint32_t place, const vcpu_slot& slot, exported_msrs& exported,
                          Window& window) {
  const kvmx_msr_place now = load(slot.msr_place[place]);
  kvmx_msr before{}, count{};
  for (std::size_t op = 0; op < KVMX_MSR_OPS; ++op) {
    before.count[op] = load(slot.msr_before[place].count[op]);
    count.count[op] = load(slot.msr[KVMX_FIXED_MSRS + place].count[op]);
  }
  // If the MSR lost its place meanwhile, the accesses may be those of the next one, too.
  const bool same = load(slot.msr_place[place]) == now;
  const bool stayed = exported.place[place] == now;
  exported.place[place] = now;
  if (!stayed) window.by_place[place] = 0;
  kvmx_msr& seen = exported.seen[place];
  std::optional<std::uint32_t> name;
  if (same && sum(count) != 0) name = name_of(exported, now.index);
  for (std::size_t op = 0; op < KVMX_MSR_OPS; ++op) {
    const std::uint64_t was = std::exchange(seen.count[op], count.count[op]);
    const std::uint64_t from = stayed ? was : std::max<std::uint64_t>(was, before.count[op]);
    const std::uint64_t own = same && count.count[op] > from ? count.count[op] - from : 0;
    window.all += count.count[op] - was;
    window.by_place[place] += own;
    if (!name) continue;
    exported.count[*name].count[op] += own;
    window.by_name[*name] += own;
  }
}

void MsrNames::read(std::uint32_t index, const vcpu_slot& slot, exported_msrs& exported,
                    std::vector<MsrCount>& counts) {
  MsrCount other{.index = std::nullopt, .accesses = {}};
  const kvmx_msr& rest = slot.msr[KVMX_MSR_OTHER];
  for (std::size_t op = 0; op < KVMX_MSR_OPS; ++op) other.accesses[op] = load(rest.count[op]);
  const std::uint32_t taken = std::min<std::uint32_t>(load(slot.overflow_msrs), kNames);
  if (taken == 0) return;
  Window& window = windows_[index];
  for (std::uint32_t place = 0; place < taken; ++place) read_place(place, slot, exported, window);
  for (const kvmx_msr& seen : exported.seen)
    for (std::size_t op = 0; op < KVMX_MSR_OPS; ++op) other.accesses[op] += seen.count[op];
  for (std::uint32_t name = 0; name < kNames; ++name) {
    if (!is_named(exported, name)) continue;
    MsrCount msr{.index = exported.index[name], .accesses = {}};
    for (std::size_t op = 0; op < KVMX_MSR_OPS; ++op) {
      msr.accesses[op] = exported.count[name].count[op];
      other.accesses[op] -= msr.accesses[op];
    }
    if (sum(exported.count[name]) != 0) counts.push_back(msr);
  }
  if (other.accesses != std::array<std::uint64_t, KVMX_MSR_OPS>{}) counts.push_back(other);
}

bool MsrNames::is_hot_and_nameless(const Vcpu& vcpu, std::uint32_t place,
                                   std::uint64_t now_ns) const {
  const std::uint64_t own = vcpu.window.by_place[place];
  const std::uint64_t seconds = (now_ns - began_ns_) / kWindowNs;
  return own >= kHotPerSecond * seconds && own * kHotShare >= vcpu.window.all &&
         !find_name(vcpu.exported, vcpu.exported.place[place].index);
}

/// Accesses that were booked under a name since the window began, on all vCPUs.
std::uint64_t MsrNames::accesses(std::span<const Vcpu> vcpus, std::uint32_t index) {
  std::uint64_t sum = 0;
  for (const Vcpu& vcpu : vcpus)
    if (const auto name = find_name(vcpu.exported, index)) sum += vcpu.window.by_name[*name];
  return sum;
}

void MsrNames::end_name(std::span<const Vcpu> vcpus, std::uint32_t index) {
  for (const Vcpu& vcpu : vcpus) {
    const auto name = find_name(vcpu.exported, index);
    if (!name) continue;
    vcpu.exported.named &= ~(1U << *name);
    vcpu.exported.given = kNames;  // else it would get its name back at once, with a lower count
  }
}

/// A name of this vCPU that is free, or that the VM has no use for at present, compared with an MSR
/// that has `hot` accesses. Of those, the one with the fewest accesses in its life.
std::optional<std::uint32_t> MsrNames::free_name(const Vcpu& vcpu, std::span<const Vcpu> vcpus,
                                                 std::uint64_t hot) {
  std::optional<std::uint32_t> coldest;
  std::pair<std::uint64_t, std::uint64_t> least;
  for (std::uint32_t name = 0; name < kNames; ++name) {
    if (!is_named(vcpu.exported, name)) return name;
    const std::pair found{accesses(vcpus, vcpu.exported.index[name]),
                          sum(vcpu.exported.count[name])};
    if (found.first * 2 > hot || (coldest && found >= least)) continue;
    coldest = name;
    least = found;
  }
  if (coldest) end_name(vcpus, vcpu.exported.index[*coldest]);
  return coldest;
}

void MsrNames::give(std::span<const std::uint32_t> slots, std::span<exported_times> exported,
                    std::uint64_t now_ns) {
  std::vector<Vcpu> vcpus;
  std::map<std::uint32_t, std::uint64_t> hot;  // accesses by index
  for (const std::uint32_t slot : slots) {
    const auto window = windows_.find(slot);
    if (window == windows_.end()) continue;
    const std::optional<std::uint64_t>& gave_ns = window->second.gave_ns;
    if (gave_ns && now_ns - *gave_ns < kPauseNs) return;
    vcpus.push_back({exported[slot].msrs, window->second});
    for (std::uint32_t place = 0; place < kNames; ++place) {
      if (is_hot_and_nameless(vcpus.back(), place, now_ns))
        hot[vcpus.back().exported.place[place].index] += window->second.by_place[place];
    }
  }
  const auto hottest =
      std::ranges::max_element(hot, {}, [](const auto& found) { return found.second; });
  if (hottest == hot.end()) return;
  for (const Vcpu& vcpu : vcpus) {
    for (std::uint32_t place = 0; place < kNames; ++place) {
      const std::uint32_t index = vcpu.exported.place[place].index;
      if (index != hottest->first || !is_hot_and_nameless(vcpu, place, now_ns)) continue;
      const auto name = free_name(vcpu, vcpus, hottest->second);
      if (!name) continue;
      set_name(vcpu.exported, *name, hottest->first);
      vcpu.window.gave_ns = now_ns;
    }
  }
}

void MsrNames::begin_window(std::uint64_t now_ns) {
  began_ns_ = now_ns;
  for (auto& [slot, window] : windows_) window = {.gave_ns = window.gave_ns};
}

}  // namespace kvmx
