// SPDX-License-Identifier: Apache-2.0
// Feeds arbitrary bytes to what identity reads from /proc: command lines, stat, and the names that
// come out of them and become labels. Seeds: tests/fuzz/corpus/command_line.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "exporter/identity/command_line.h"
#include "exporter/identity/label_value.h"
#include "exporter/identity/proc.h"
#include "exporter/identity/vm_label.h"

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

void require_fit(std::string_view value) {
  require(value.size() <= kvmx::kMaxLabelBytes, "a label value is bounded");
  require(kvmx::label_value(value) == value, "a label value is fit as it is");
}

void try_command_line(std::string_view text) {
  const auto identity = kvmx::identify(text);
  if (!identity) return;
  require(!identity->vmm.empty(), "a VMM has a name");
  for (const std::string& field :
       {identity->name, identity->uuid, identity->vmm, identity->id, identity->domain,
        identity->kube_namespace, identity->kube_name}) {
    require_fit(field);
  }
  require(identity->uuid.empty() || identity->uuid.size() == 36, "a UUID is canonical");
}

// Each VM: a byte that makes its key and state, then its name up to a newline.
void try_labels(std::string_view text) {
  std::vector<kvmx::VmToLabel> vms;
  while (!text.empty() && vms.size() < 24) {
    const auto key = static_cast<std::uint8_t>(text.front());
    const std::string_view name = text.substr(1, text.find('\n', 1) - 1);
    text.remove_prefix(std::min(text.size(), name.size() + 2));
    vms.push_back({.tgid = key & 3U,
                   .start_ns = (key >> 2U) & 1U,
                   .ordinal = (key >> 3U) & 3U,
                   .name = name,
                   .comm = name.substr(name.size() / 2),
                   .gone = (key & 0x80U) != 0});
  }
  const std::vector<std::string> labels = kvmx::vm_labels(vms);
  require(labels.size() == vms.size(), "each VM has a label");
  std::unordered_set<std::string_view> distinct;
  for (const std::string& label : labels) {
    require_fit(label);
    require(!label.empty(), "a label says something");
    require(distinct.insert(label).second, "labels are distinct");
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try_command_line(text);
  try_labels(text);
  (void)kvmx::start_ticks(text);
  return 0;
}
