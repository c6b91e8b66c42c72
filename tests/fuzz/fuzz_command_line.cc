// SPDX-License-Identifier: Apache-2.0
// Feeds arbitrary bytes to the readers of VMMs' command lines: as a command line, and as an
// executable and a comm, each on a line, with a command line after them. Seeds:
// tests/fuzz/corpus/command_line and the cases of tests/fixtures/identity.
#include "exporter/identity/command_line.h"

#include <algorithm>

#include "exporter/identity/vmm/vmms.h"
#include "tests/fuzz/require.h"

namespace {

void check(std::string_view command_line, const kvmx::Program& program) {
  const auto identity = kvmx::identify(command_line, program);
  if (!identity) return;
  const bool known = std::ranges::any_of(
      kvmx::vmms(), [&](const kvmx::Vmm* vmm) { return vmm->name == identity->vmm; });
  kvmx::require(known, "a VMM has a documented name");
  for (const std::string& field :
       {identity->name, identity->uuid, identity->vmm, identity->id, identity->domain,
        identity->kube_namespace, identity->kube_name, identity->title()})
    kvmx::require_label_value(field);
  kvmx::require(identity->uuid.empty() || identity->uuid.size() == 36, "a UUID is canonical");
}

std::string_view take_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  check(text, {});
  const std::string_view executable = take_line(text);
  const std::string_view comm = take_line(text);
  check(text, {executable, comm});
  return 0;
}
