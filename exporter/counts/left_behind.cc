// SPDX-License-Identifier: Apache-2.0
#include "exporter/counts/left_behind.h"

#include <algorithm>

#include "exporter/counts/load.h"

namespace kvmx {
namespace {

/// What one thread has done for a vCPU that others have run, too. The one that runs it last is the
/// greatest.
struct ThreadPart {
  std::uint32_t tgid;
  std::uint64_t vm_start;
  std::uint32_t vcpu_id;
  bool runs;  ///< it does not change threads then
  std::uint64_t since;
  const vcpu_slot* slot;

  [[nodiscard]] bool same_vcpu(const ThreadPart& other) const {
    return tgid == other.tgid && vm_start == other.vm_start && vcpu_id == other.vcpu_id;
  }
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes what it generates for a pointer
  auto operator<=>(const ThreadPart&) const = default;
};

}  // namespace

std::vector<const vcpu_slot*> left_behind(std::span<const vcpu_slot> slots,
                                          std::span<const std::uint32_t> used) {
  std::vector<ThreadPart> parts;
  for (const std::uint32_t index : used) {
    const vcpu_slot& slot = slots[index];
    if (slot.vcpu != 0 || slot.vcpu_id == KVMX_VCPU_UNKNOWN) continue;
    parts.push_back({.tgid = slot.tgid,
                     .vm_start = slot.vm_start,
                     .vcpu_id = slot.vcpu_id,
                     .runs = (load(slot.exit) & KVMX_EXIT_IN_VMM) == 0,
                     .since = std::max<std::uint64_t>(load(slot.exit_ns), load(slot.userspace_ns)),
                     .slot = &slot});
  }
  std::ranges::sort(parts);
  std::vector<const vcpu_slot*> found;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i)
    if (parts[i].same_vcpu(parts[i + 1])) found.push_back(parts[i].slot);
  std::ranges::sort(found);
  return found;
}

}  // namespace kvmx
