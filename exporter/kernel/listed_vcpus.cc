// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/listed_vcpus.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <tuple>
#include <utility>

namespace kvmx {
namespace {

auto key_of(const ListedVcpu& vcpu) { return std::pair(vcpu.vm(), vcpu.id); }

}  // namespace

std::optional<std::uint32_t> listed_vcpu_id(std::string_view name) {
  constexpr std::string_view kPrefix = KVMX_VCPU_PREFIX;
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return id;
}

std::vector<ListedVcpu> listed_vcpus(std::span<const listed_vcpu> records) {
  std::vector<listed_vcpu> unique(records.begin(), records.end());
  // A vCPU may have several descriptors, for a moment in a new child of its process too: the
  // parent's is the one that counts.
  std::ranges::sort(unique, {}, [](const listed_vcpu& record) {
    return std::tuple(record.vcpu, record.vm_start, record.tgid);
  });
  const auto same = [](const listed_vcpu& a, const listed_vcpu& b) { return a.vcpu == b.vcpu; };
  unique.erase(std::unique(unique.begin(), unique.end(), same), unique.end());
  std::vector<ListedVcpu> vcpus;
  for (const listed_vcpu& record : unique) {
    const auto id = listed_vcpu_id({record.name, ::strnlen(record.name, sizeof(record.name))});
    if (!id) continue;
    vcpus.push_back({record.tgid, record.vm_start, record.kvm, *id,
                     std::string(record.comm, ::strnlen(record.comm, sizeof(record.comm))),
                     record.asleep != 0, record.poll_failed_ns, record.pit_tid});
  }
  std::ranges::sort(vcpus, {}, key_of);
  return vcpus;
}

std::optional<bool> VcpuListing::asleep(const VmKey& vm, std::uint32_t id) const {
  const auto key = std::pair(vm, id);
  const auto found = std::ranges::lower_bound(vcpus, key, {}, key_of);
  if (vm.kvm == 0 || found == vcpus.end() || key_of(*found) != key) return std::nullopt;
  return found->asleep;
}

void VcpuListing::leave_out(std::span<const VmKey> vms) {
  std::erase_if(vcpus,
                [&](const ListedVcpu& vcpu) { return std::ranges::binary_search(vms, vcpu.vm()); });
}

}  // namespace kvmx
