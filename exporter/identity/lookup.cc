// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/lookup.h"

#include <algorithm>
#include <string_view>

namespace kvmx {
namespace {

/// The id of a container or of Kata's sandbox: 64 hexadecimal digits.
bool is_container(std::string_view id) {
  return id.size() == 64 && id.find_first_not_of("0123456789abcdef") == id.npos;
}

}  // namespace

bool has_final_label(const VmIdentity& vm) {
  if (vm.refused) return false;
  if (!vm.name.empty()) return true;
  if (!vm.pod.empty()) return !vm.kube_namespace.empty();
  return !vm.id.empty() && !is_container(vm.id);
}

bool is_complete(const VmIdentity& vm) {
  const bool lacks_pod_name = !vm.pod.empty() && vm.kube_namespace.empty();
  const bool lacks_status = !vm.domain.empty() && !vm.has_status;
  return has_final_label(vm) && !lacks_pod_name && !lacks_status;
}

std::chrono::nanoseconds next_lookup(const VmIdentity& vm, std::chrono::nanoseconds age,
                                     std::chrono::nanoseconds regular) {
  if (is_complete(vm)) return regular;
  const auto* next = std::ranges::upper_bound(kLookupAges, age);
  return next == std::end(kLookupAges) ? regular : std::min(regular, *next - age);
}

}  // namespace kvmx
