// SPDX-License-Identifier: Apache-2.0
#include "exporter/counts/cpu_times.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <string_view>

namespace kvmx {
namespace {

const listed_thread* find_thread(std::span<const listed_thread> threads, std::uint32_t tid) {
  const auto found = std::ranges::lower_bound(threads, tid, {}, &listed_thread::tid);
  return found != threads.end() && found->tid == tid ? &*found : nullptr;
}

/// Finds threads of a listing that are asked for in order of their ids.
class InOrder {
 public:
  explicit InOrder(std::span<const listed_thread> threads) : left_(threads) {}

  /// The one that is asked for, not another one that has its id since.
  const listed_thread* find(const listed_thread& wanted) {
    while (!left_.empty() && left_.front().tid < wanted.tid) left_ = left_.subspan(1);
    const bool there = !left_.empty() && left_.front().tid == wanted.tid;
    return there && left_.front().start == wanted.start ? left_.data() : nullptr;
  }

 private:
  std::span<const listed_thread> left_;
};

/// The id at the end of what vhost and KVM call a thread that they make, such as "vhost-4711".
std::optional<std::uint32_t> id_in_name(const listed_thread& thread, std::string_view prefix) {
  std::string_view name(thread.comm, ::strnlen(thread.comm, sizeof(thread.comm)));
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return id;
}

}  // namespace

void CpuTimes::observe(std::span<const listed_thread> threads, std::span<const VmCounts> vms,
                       const VcpuListing& listing) {
  follow(vms);
  const Roles roles = roles_of(vms, listing);
  std::vector<listed_thread> now;
  now.reserve(threads.size());
  InOrder last(last_);
  for (const listed_thread& thread : threads) {
    const std::optional<Role> role = role_of(thread, roles, threads);
    if (!role) continue;
    const listed_thread* const before = last.find(thread);
    add(*role, thread.runtime_ns - (before ? before->runtime_ns : 0),
        thread.run_delay_ns - (before ? before->run_delay_ns : 0));
    now.push_back(thread);
  }
  settle_ended(now);
  last_ = std::move(now);
}

/// Which VM is the first of its process; and whose times need not be kept.
void CpuTimes::follow(std::span<const VmCounts> vms) {
  std::map<Process, OfProcess> processes;
  std::map<VmKey, OfVm> kept;
  const auto keep = [&](const VmKey& from, const VmKey& key) {
    if (auto times = vms_.extract(from); !times.empty()) kept[key] = std::move(times.mapped());
  };
  for (const VmCounts& vm : vms) keep(vm.key, vm.key);
  for (const VmCounts& vm : vms) {
    const Process process{vm.key.tgid, vm.key.start_ns};
    if (processes.contains(process)) continue;
    OfProcess known{.vm = vm.key};
    if (const auto before = processes_.find(process); before != processes_.end()) {
      known = before->second;
      // What was a VM without a pointer has one now.
      if (!kept.contains(vm.key)) keep(known.vm, vm.key);
      known.vm = vm.key;
    }
    processes.emplace(process, known);
  }
  processes_ = std::move(processes);
  vms_ = std::move(kept);
}

CpuTimes::Roles CpuTimes::roles_of(std::span<const VmCounts> vms, const VcpuListing& listing) {
  Roles roles;
  for (const VmCounts& vm : vms)
    for (const VcpuThread& thread : vm.threads)
      roles.push_back({thread.tid, vm.key, ThreadKind::vcpu, thread.vcpu});
  for (const ListedVcpu& vcpu : listing.vcpus)
    if (vcpu.pit_tid != 0) roles.push_back({vcpu.pit_tid, vcpu.vm(), ThreadKind::pit});
  std::ranges::stable_sort(roles, {}, &Role::tid);  // the first to name a thread knows
  return roles;
}

std::optional<CpuTimes::Role> CpuTimes::role_of(const listed_thread& thread, const Roles& roles,
                                                std::span<const listed_thread> threads) const {
  const auto of_process = [&](std::uint32_t tgid, std::uint64_t start, ThreadKind kind) {
    const auto process = processes_.find({tgid, start});
    if (process == processes_.end()) return std::optional<Role>();
    return std::optional<Role>({thread.tid, process->second.vm, kind});
  };
  const auto at = std::ranges::lower_bound(roles, thread.tid, {}, &Role::tid);
  const Role* const role = at != roles.end() && at->tid == thread.tid ? &*at : nullptr;
  if (thread.origin == KVMX_THREAD_KERNEL) {
    if (role && role->kind == ThreadKind::pit) return *role;
    for (const auto& [prefix, kind] :
         {std::pair("vhost-", ThreadKind::vhost), std::pair("kvm-pit/", ThreadKind::pit)}) {
      const std::optional<std::uint32_t> maker = id_in_name(thread, prefix);
      const listed_thread* const found = maker ? find_thread(threads, *maker) : nullptr;
      if (found) return of_process(found->tgid, found->vm_start, kind);
    }
    return std::nullopt;
  }
  if (role && role->kind == ThreadKind::vcpu && role->vm.tgid == thread.tgid &&
      role->vm.start_ns == thread.vm_start)
    return *role;
  return of_process(thread.tgid, thread.vm_start,
                    thread.origin == KVMX_THREAD_VHOST ? ThreadKind::vhost : ThreadKind::vmm);
}

void CpuTimes::add(const Role& role, std::uint64_t cpu_ns, std::uint64_t run_delay_ns) {
  if (cpu_ns == 0 && run_delay_ns == 0) return;
  OfVm& vm = vms_[role.vm];
  vm.cpu_ns[static_cast<std::size_t>(role.kind)] += cpu_ns;
  if (role.kind != ThreadKind::vcpu) return;
  VcpuTimes& vcpu = vm.vcpus[role.vcpu];
  vcpu.cpu_ns += cpu_ns;
  vcpu.run_delay_ns += run_delay_ns;
}

/// Adds what threads had between their last listing and their end. A process's records are not of
/// one moment: in the earliest its sum has no thread that is still listed in another.
void CpuTimes::settle_ended(std::span<const listed_thread> now) {
  constexpr std::uint64_t kNone = std::numeric_limits<std::uint64_t>::max();
  for (auto& [process, known] : processes_) known.ended_ns = kNone;
  auto process = processes_.end();
  for (const listed_thread& thread : now) {
    if (thread.origin == KVMX_THREAD_KERNEL) continue;
    const Process key{thread.tgid, thread.vm_start};
    if (process == processes_.end() || process->first != key) process = processes_.find(key);
    std::uint64_t& sum = process->second.ended_ns;
    sum = std::min<std::uint64_t>(sum, thread.ended_ns);
  }
  InOrder still(now);
  for (const listed_thread& thread : last_) {
    if (thread.origin == KVMX_THREAD_KERNEL || still.find(thread)) continue;
    const auto its = processes_.find({thread.tgid, thread.vm_start});
    if (its != processes_.end()) its->second.counted_ns += thread.runtime_ns;
  }
  for (auto& [key, known] : processes_) {
    if (known.ended_ns == kNone) continue;
    const std::uint64_t rest = known.ended_ns - std::min(known.ended_ns, known.counted_ns);
    if (rest <= known.rest_ns) continue;
    add({0, known.vm, ThreadKind::vmm}, rest - known.rest_ns, 0);
    known.rest_ns = rest;
  }
}

void CpuTimes::fill(std::span<VmCounts> vms) const {
  for (VmCounts& vm : vms) {
    const auto found = vms_.find(vm.key);
    if (found == vms_.end()) continue;
    vm.cpu_ns = found->second.cpu_ns;
    for (const auto& [id, times] : found->second.vcpus) {
      vm.total.cpu_ns += times.cpu_ns;
      vm.total.run_delay_ns += times.run_delay_ns;
      const auto vcpu = std::ranges::lower_bound(vm.vcpus, id, {}, &VcpuCounts::id);
      if (vcpu == vm.vcpus.end() || vcpu->id != id) continue;
      vcpu->cpu_ns = times.cpu_ns;
      vcpu->run_delay_ns = times.run_delay_ns;
    }
  }
}

}  // namespace kvmx
