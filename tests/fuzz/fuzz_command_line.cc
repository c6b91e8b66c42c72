// SPDX-License-Identifier: Apache-2.0
// Feeds arbitrary bytes to the readers of VMMs' command lines. Seeds:
// tests/fuzz/corpus/command_line.
#include "exporter/identity/command_line.h"

#include "tests/fuzz/require.h"

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto identity = kvmx::identify({reinterpret_cast<const char*>(data), size});
  if (!identity) return 0;
  kvmx::require(!identity->vmm.empty(), "a VMM has a name");
  for (const std::string& field :
       {identity->name, identity->uuid, identity->vmm, identity->id, identity->domain,
        identity->kube_namespace, identity->kube_name, identity->title()})
    kvmx::require_label_value(field);
  kvmx::require(identity->uuid.empty() || identity->uuid.size() == 36, "a UUID is canonical");
  return 0;
}
