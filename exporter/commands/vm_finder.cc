// SPDX-License-Identifier: Apache-2.0
#include "exporter/commands/vm_finder.h"

#include <algorithm>
#include <set>
#include <vector>

#include "exporter/identity/identity_table.h"
#include "exporter/kernel/vcpu_lister.h"

namespace kvmx {
namespace {

struct NamedVm {
  VmKey key;
  std::string label;
  VmIdentity identity;

  [[nodiscard]] bool is_called(const std::string& name) const {
    return name == identity.name || name == identity.display_name || name == identity.uuid ||
           name == identity.id || name == identity.domain;
  }
};

Result<std::vector<ListedVcpu>> list_vcpus() {
  const Result<VcpuLister> lister = VcpuLister::load();
  if (!lister) return lister.error();
  return lister->list();
}

/// The VMs of these vCPUs under the labels that an exporter gives them that starts now.
std::vector<NamedVm> name_vms(const std::vector<ListedVcpu>& vcpus) {
  std::vector<VmToIdentify> vms;
  for (const ListedVcpu& vcpu : vcpus) {
    const VmKey key = vcpu.vm();
    if (vms.empty() || vms.back().key != key) vms.push_back({key, vcpu.comm});
  }
  IdentityTable identities;
  const auto now = IdentityTable::Clock::now();
  identities.identify(vms, now);
  // Who asks by name has no time to wait for a better one.
  identities.identify(vms, now + std::chrono::minutes(1));
  identities.assign_labels([](const VmKey&) { return false; });
  std::vector<NamedVm> named;
  named.reserve(vms.size());
  for (const VmToIdentify& vm : vms)
    named.push_back({vm.key, identities.label(vm.key), identities.identity(vm.key)});
  return named;
}

std::vector<NamedVm> choose(const std::vector<NamedVm>& vms, const std::string& name) {
  std::vector<NamedVm> chosen;
  const auto take = [&](auto fits) {
    if (chosen.empty()) std::ranges::copy_if(vms, std::back_inserter(chosen), fits);
  };
  take([&](const NamedVm& vm) { return vm.label == name; });
  take([&](const NamedVm& vm) { return vm.is_called(name); });
  take([&](const NamedVm& vm) { return std::to_string(vm.key.tgid) == name; });
  return chosen;
}

std::string names_of(const std::vector<NamedVm>& vms) {
  constexpr std::size_t kMost = 20;
  std::string names;
  for (std::size_t i = 0; i < std::min(vms.size(), kMost); ++i)
    names += (i == 0 ? "" : ", ") + vms[i].label + " (pid " + std::to_string(vms[i].key.tgid) + ")";
  if (vms.size() > kMost) names += " and " + std::to_string(vms.size() - kMost) + " more";
  return names;
}

}  // namespace

Result<FoundVm> find_vm(const std::string& name) {
  const Result<std::vector<ListedVcpu>> vcpus = list_vcpus();
  if (!vcpus) return Error{vcpus.error().message + ". This needs root, or CAP_SYS_ADMIN"};
  const std::vector<NamedVm> vms = name_vms(*vcpus);
  if (vms.empty()) return Error{"there is no VM on this host"};
  const std::vector<NamedVm> chosen = choose(vms, name);
  if (chosen.empty()) return Error{"there is no VM " + name + ". There are " + names_of(vms)};
  std::set<std::uint32_t> processes;
  for (const NamedVm& vm : chosen) processes.insert(vm.key.tgid);
  if (processes.size() > 1)
    return Error{"several VMs are called " + name + ": " + names_of(chosen) +
                 ". Give the pid of one"};
  FoundVm found{chosen.front().key, chosen.front().label};
  for (const NamedVm& vm : vms) found.vms += vm.key.tgid == found.key.tgid ? 1 : 0;
  for (const ListedVcpu& vcpu : *vcpus) found.vcpus += vcpu.tgid == found.key.tgid ? 1 : 0;
  return found;
}

bool vm_exists(const VmKey& vm) {
  const Result<std::vector<ListedVcpu>> vcpus = list_vcpus();
  return !vcpus || std::ranges::any_of(*vcpus, [&](const ListedVcpu& vcpu) {
    return vcpu.tgid == vm.tgid && vcpu.start_ns == vm.start_ns;
  });
}

}  // namespace kvmx
