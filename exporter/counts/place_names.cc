// SPDX-License-Identifier: Apache-2.0
#include "exporter/counts/place_names.h"

#include <algorithm>
#include <utility>

#include "exporter/counts/load.h"

namespace kvmx {
namespace {

constexpr std::uint32_t kNames = KVMX_PLACES;

std::uint64_t key_of(std::uint64_t word) { return word >> KVMX_TURN_BITS; }

std::uint64_t sum(const kvmx_ops& ops) { return ops.count[KVMX_READ] + ops.count[KVMX_WRITE]; }

bool is_named(const exported_places& exported, std::uint32_t name) {
  return (exported.named >> name & 1U) != 0;
}

std::optional<std::uint32_t> find_name(const exported_places& exported, std::uint64_t key) {
  for (std::uint32_t name = 0; name < kNames; ++name)
    if (is_named(exported, name) && exported.key[name] == key) return name;
  return std::nullopt;
}

void set_name(exported_places& exported, std::uint32_t name, std::uint64_t key) {
  exported.key[name] = key;
  exported.count[name] = {};
  exported.named |= 1U << name;
}

/// The name of a key, which it is given if it is among the first.
std::optional<std::uint32_t> name_of(exported_places& exported, std::uint64_t key) {
  const auto known = find_name(exported, key);
  if (known || exported.given >= kNames) return known;
  const std::uint32_t name = exported.given++;
  set_name(exported, name, key);
  return name;
}

}  // namespace

/// Books the accesses at a place. Those before its key got it are of keys that are not known.
void PlaceNames::read_place(std::uint32_t place, const Counted& counted, exported_places& exported,
                            Window& window) {
  const std::uint64_t now = load(counted.places.word[place]);
  kvmx_ops before{}, count{};
  for (std::size_t op = 0; op < KVMX_OPS; ++op) {
    before.count[op] = load(counted.places.before[place].count[op]);
    count.count[op] = load(counted.counts[place].count[op]);
  }
  // If the key lost its place meanwhile, the accesses may be those of the next one, too.
  const bool same = load(counted.places.word[place]) == now;
  const bool stayed = exported.word[place] == now;
  exported.word[place] = now;
  if (!stayed) window.by_place[place] = 0;
  kvmx_ops& seen = exported.seen[place];
  std::optional<std::uint32_t> name;
  if (same && sum(count) != 0) name = name_of(exported, key_of(now));
  for (std::size_t op = 0; op < KVMX_OPS; ++op) {
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

void PlaceNames::read(const Counted& counted, exported_times& exported,
                      std::vector<KeyCount>& counts) {
  exported_places& names = exported.*kept_;
  KeyCount other;
  const kvmx_ops& rest = counted.counts[KVMX_PLACES];
  for (std::size_t op = 0; op < KVMX_OPS; ++op) other.accesses[op] = load(rest.count[op]);
  if (load(counted.places.word[0]) == 0) return;
  Window& window = windows_[counted.slot];
  for (std::uint32_t place = 0; place < KVMX_PLACES; ++place)
    if (load(counted.places.word[place]) != 0) read_place(place, counted, names, window);
  for (const kvmx_ops& seen : names.seen)
    for (std::size_t op = 0; op < KVMX_OPS; ++op) other.accesses[op] += seen.count[op];
  for (std::uint32_t name = 0; name < kNames; ++name) {
    if (!is_named(names, name)) continue;
    KeyCount named{.key = names.key[name], .accesses = {}};
    for (std::size_t op = 0; op < KVMX_OPS; ++op) {
      named.accesses[op] = names.count[name].count[op];
      other.accesses[op] -= named.accesses[op];
    }
    if (sum(names.count[name]) != 0) counts.push_back(named);
  }
  if (other.accesses != std::array<std::uint64_t, KVMX_OPS>{}) counts.push_back(other);
}

bool PlaceNames::is_hot_and_nameless(const Vcpu& vcpu, std::uint32_t place,
                                     std::uint64_t now_ns) const {
  const std::uint64_t own = vcpu.window.by_place[place];
  const std::uint64_t seconds = (now_ns - began_ns_) / kWindowNs;
  return own >= kHotPerSecond * seconds && own * kHotShare >= vcpu.window.all &&
         !find_name(vcpu.exported, key_of(vcpu.exported.word[place]));
}

/// Accesses that were booked under a name since the window began, on all vCPUs.
std::uint64_t PlaceNames::accesses(std::span<const Vcpu> vcpus, std::uint64_t key) {
  std::uint64_t sum = 0;
  for (const Vcpu& vcpu : vcpus)
    if (const auto name = find_name(vcpu.exported, key)) sum += vcpu.window.by_name[*name];
  return sum;
}

void PlaceNames::end_name(std::span<const Vcpu> vcpus, std::uint64_t key) {
  for (const Vcpu& vcpu : vcpus) {
    const auto name = find_name(vcpu.exported, key);
    if (!name) continue;
    vcpu.exported.named &= ~(1U << *name);
    vcpu.exported.given = kNames;  // else it would get its name back at once, with a lower count
  }
}

/// A name of this vCPU that is free, or that the VM has no use for at present, compared with a key
/// that has `hot` accesses. Of those, the one with the fewest accesses in its life.
std::optional<std::uint32_t> PlaceNames::free_name(const Vcpu& vcpu, std::span<const Vcpu> vcpus,
                                                   std::uint64_t hot) {
  std::optional<std::uint32_t> coldest;
  std::pair<std::uint64_t, std::uint64_t> least;
  for (std::uint32_t name = 0; name < kNames; ++name) {
    if (!is_named(vcpu.exported, name)) return name;
    const std::pair found{accesses(vcpus, vcpu.exported.key[name]), sum(vcpu.exported.count[name])};
    if (found.first * 2 > hot || (coldest && found >= least)) continue;
    coldest = name;
    least = found;
  }
  if (coldest) end_name(vcpus, vcpu.exported.key[*coldest]);
  return coldest;
}

void PlaceNames::give(std::span<const std::uint32_t> slots, std::span<exported_times> exported,
                      std::uint64_t now_ns) {
  std::vector<Vcpu> vcpus;
  std::map<std::uint64_t, std::uint64_t> hot;  // accesses by key
  for (const std::uint32_t slot : slots) {
    const auto window = windows_.find(slot);
    if (window == windows_.end()) continue;
    const std::optional<std::uint64_t>& gave_ns = window->second.gave_ns;
    if (gave_ns && now_ns - *gave_ns < kPauseNs) return;
    vcpus.push_back({exported[slot].*kept_, window->second});
    for (std::uint32_t place = 0; place < kNames; ++place) {
      if (is_hot_and_nameless(vcpus.back(), place, now_ns))
        hot[key_of(vcpus.back().exported.word[place])] += window->second.by_place[place];
    }
  }
  const auto hottest =
      std::ranges::max_element(hot, {}, [](const auto& found) { return found.second; });
  if (hottest == hot.end()) return;
  for (const Vcpu& vcpu : vcpus) {
    for (std::uint32_t place = 0; place < kNames; ++place) {
      const std::uint64_t key = key_of(vcpu.exported.word[place]);
      if (key != hottest->first || !is_hot_and_nameless(vcpu, place, now_ns)) continue;
      const auto name = free_name(vcpu, vcpus, hottest->second);
      if (!name) continue;
      set_name(vcpu.exported, *name, hottest->first);
      vcpu.window.gave_ns = now_ns;
    }
  }
}

void PlaceNames::begin_window(std::uint64_t now_ns) {
  began_ns_ = now_ns;
  for (auto& [slot, window] : windows_) window = {.gave_ns = window.gave_ns};
}

}  // namespace kvmx
