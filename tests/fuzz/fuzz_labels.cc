// SPDX-License-Identifier: Apache-2.0
// Labels of VMs with arbitrary names. Each VM: a byte that makes its key and state, one that makes
// the form it had, then its name up to a newline. Seeds: tests/fuzz/corpus/labels.
#include <algorithm>
#include <unordered_set>
#include <vector>

#include "exporter/identity/vm_label.h"
#include "tests/fuzz/require.h"

namespace {

std::vector<kvmx::VmToLabel> vms_of(std::string_view text) {
  std::vector<kvmx::VmToLabel> vms;
  while (text.size() >= 2 && vms.size() < 24) {
    const auto key = static_cast<std::uint8_t>(text[0]);
    const std::string_view name = text.substr(2, text.find('\n', 2) - 2);
    vms.push_back({.tgid = key & 3U,
                   .start_ns = (key >> 2U) & 1U,
                   .ordinal = (key >> 3U) & 3U,
                   .name = name,
                   .comm = name.substr(name.size() / 2),
                   .gone = (key & 0x80U) != 0,
                   .form = text[1] & 3});
    text.remove_prefix(std::min(text.size(), name.size() + 3));
  }
  return vms;
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto vms = vms_of({reinterpret_cast<const char*>(data), size});
  const std::vector<kvmx::VmLabel> labels = kvmx::vm_labels(vms);
  kvmx::require(labels.size() == vms.size(), "each VM has a label");
  std::unordered_set<std::string_view> distinct;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    kvmx::require_label_value(labels[i].text);
    kvmx::require(!labels[i].text.empty(), "a label says something");
    kvmx::require(labels[i].form >= vms[i].form, "a VM keeps the form it had");
    kvmx::require(distinct.insert(labels[i].text).second, "labels are distinct");
  }
  return 0;
}
