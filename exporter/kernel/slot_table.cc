// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/slot_table.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "exporter/base/log.h"

namespace kvmx {
namespace {

/// Removes `key` from a map if it still leads to `value`: another VM may have taken it over.
template <typename Value>
void forget(int map, const void* key, Value value) {
  Value found{};
  if (bpf_map_lookup_elem(map, key, &found) == 0 && found == value) bpf_map_delete_elem(map, key);
}

}  // namespace

Result<SlotTable> SlotTable::map(const SlotMapFds& fds, std::uint32_t count, bool fill) {
  SlotTable table;
  table.fds_ = fds;
  table.count_ = count;
  Result<Mapping> slots = Mapping::of_map(fds.slots, std::size_t{count} * sizeof(vcpu_slot), true);
  if (!slots) return slots.error();
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  Result<Mapping> lost = Mapping::of_map(fds.lost, page, false);
  if (!lost) return lost.error();
  table.slots_ = std::move(*slots);
  table.lost_ = std::move(*lost);
  Result<Mapping> exported =
      Mapping::of_map(fds.exported, std::size_t{count} * sizeof(exported_times), true);
  if (!exported) return exported.error();
  table.exported_ = std::move(*exported);
  if (fds.events >= 0) {
    Result<Mapping> events =
        Mapping::of_map(fds.events, std::size_t{count} * sizeof(event_counts), true);
    if (!events) return events.error();
    table.events_ = std::move(*events);
  }
  if (fds.io >= 0) {
    Result<Mapping> io = Mapping::of_map(fds.io, std::size_t{count} * sizeof(io_counts), true);
    if (!io) return io.error();
    table.io_ = std::move(*io);
  }
  for (std::uint32_t i = 0; fill && i < count; ++i)
    if (Result<void> added = table.add_free(i); !added) return added.error();
  // Of an exporter that was killed before it came to reclaim them.
  for (std::uint32_t i = 0; !fill && i < count; ++i)
    if (table.exported()[i].unlinked != 0) table.unlink(i);
  if (fill) return table;
  Result<std::vector<bool>> offered = table.offered();
  if (!offered) return offered.error();
  for (std::uint32_t i = 0; i < count; ++i)
    if (table.in_no_hands(i, *offered)) table.strays_.push_back(i);
  table.strays_since_ = Clock::now();
  return table;
}

Result<void> SlotTable::add_free(std::uint32_t index) const {
  if (bpf_map_update_elem(fds_.free_slots, nullptr, &index, BPF_ANY) == 0) return {};
  return errno_error("enter slot " + std::to_string(index) + " as free", errno);
}

/// Takes every one and offers it again, since a queue cannot be read otherwise. A program that
/// wants a slot in just that moment gets the next one, and counts an event as lost if there is
/// none.
Result<std::vector<bool>> SlotTable::offered() const {
  std::vector<bool> found(count_);
  std::uint32_t index = 0;
  for (std::uint32_t i = 0; i < count_; ++i) {
    if (bpf_map_lookup_and_delete_elem(fds_.free_slots, nullptr, &index) != 0) {
      if (errno == ENOENT) break;
      return errno_error("look which slots are free", errno);
    }
    if (index >= count_) continue;
    if (Result<void> added = add_free(index); !added) return added.error();
    if (found[index]) break;
    found[index] = true;
  }
  return found;
}

bool SlotTable::in_no_hands(std::uint32_t index, const std::vector<bool>& offered) const {
  return __atomic_load_n(&slot(index)->tgid, __ATOMIC_ACQUIRE) == 0 &&
         exported()[index].unlinked == 0 && !offered[index];
}

Result<void> SlotTable::reclaim_strays() {
  const std::vector<std::uint32_t> strays = std::exchange(strays_, {});
  const Result<std::vector<bool>> offered = this->offered();
  if (!offered) return offered.error();
  std::size_t reclaimed = 0;
  for (const std::uint32_t index : strays) {
    if (!in_no_hands(index, *offered)) continue;
    wipe(index);
    if (Result<void> added = add_free(index); !added) return added;
    ++reclaimed;
  }
  if (reclaimed != 0)
    spdlog::info("slots that an exporter was about to free when it was killed are free: {}",
                 reclaimed);
  return {};
}

vcpu_slot* SlotTable::slot(std::uint32_t index) const {
  return static_cast<vcpu_slot*>(slots_.data()) + index;
}

std::span<const vcpu_slot> SlotTable::slots() const { return {slot(0), count_}; }

std::span<const event_counts> SlotTable::events() const {
  if (!events_.data()) return {};
  return {static_cast<const event_counts*>(events_.data()), count_};
}

std::span<const io_counts> SlotTable::io() const {
  if (!io_.data()) return {};
  return {static_cast<const io_counts*>(io_.data()), count_};
}

std::span<exported_times> SlotTable::exported() const {
  return {static_cast<exported_times*>(exported_.data()), count_};
}

void SlotTable::unlink(std::uint32_t index) {
  vcpu_slot* const freed = slot(index);
  // Noted first, and beside the slot: whoever takes a pinned table over goes on from here.
  exported()[index].unlinked = 1;
  unlinked_.push_back({index, Clock::now()});
  const std::uint64_t thread = std::uint64_t{freed->tgid} << 32 | freed->tid;
  const vcpu_key by_pointer{freed->vcpu & ~KVMX_VCPU_DESTROYED, 0};
  const vcpu_key by_thread{thread, std::uint64_t{freed->vcpu_id + 1}};
  forget(fds_.slot_of_vcpu, freed->vcpu ? &by_pointer : &by_thread, index);
  forget(fds_.slot_of_thread, &freed->tid, index);
  // No event of any vCPU can take this slot for its own without its owner. (Exchanged, since
  // nothing may move over that in either direction.)
  freed->fast_start = 0;
  __atomic_exchange_n(&freed->thread_start, 0, __ATOMIC_ACQ_REL);
  freed->vcpu = 0;
  freed->tid = 0;
  __atomic_store_n(&freed->tgid, 0, __ATOMIC_RELEASE);
}

void SlotTable::wipe(std::uint32_t index) {
  std::memset(slot(index), 0, sizeof(vcpu_slot));
  if (events_.data()) {
    event_counts& counts = static_cast<event_counts*>(events_.data())[index];
    std::memset(&counts, 0, sizeof(counts));
  }
  if (io_.data()) std::memset(static_cast<io_counts*>(io_.data()) + index, 0, sizeof(io_counts));
  exported()[index] = {};
}

Result<void> SlotTable::reclaim(Clock::time_point now) {
  if (!strays_.empty() && now - strays_since_ >= kUnlinkedTime)
    if (Result<void> reclaimed = reclaim_strays(); !reclaimed) return reclaimed;
  while (!unlinked_.empty() && now - unlinked_.front().since >= kUnlinkedTime) {
    const std::uint32_t index = unlinked_.front().index;
    unlinked_.pop_front();
    wipe(index);
    if (Result<void> added = add_free(index); !added) return added;
  }
  return {};
}

Result<bool> SlotTable::set_vm_processes(
    const std::map<std::uint32_t, std::uint64_t>& starts) const {
  std::vector<std::uint32_t> known;
  std::uint32_t tgid = 0;
  for (const void* last = nullptr; bpf_map_get_next_key(fds_.vm_processes, last, &tgid) == 0;
       last = &known.back())
    known.push_back(tgid);
  for (const std::uint32_t process : known)
    if (!starts.contains(process)) bpf_map_delete_elem(fds_.vm_processes, &process);
  bool has_room = true;
  for (const auto& [process, start] : starts) {
    if (bpf_map_update_elem(fds_.vm_processes, &process, &start, BPF_ANY) == 0) continue;
    if (errno != E2BIG)
      return errno_error("enter process " + std::to_string(process) + " into the map vm_processes",
                         errno);
    has_room = false;
  }
  return has_room;
}

std::array<std::uint64_t, KVMX_LOSSES> SlotTable::losses() const {
  std::array<std::uint64_t, KVMX_LOSSES> events;
  const auto* counters = static_cast<const std::uint64_t*>(lost_.data());
  for (std::size_t i = 0; i < events.size(); ++i)
    events[i] = __atomic_load_n(&counters[i], __ATOMIC_RELAXED);
  return events;
}

}  // namespace kvmx
