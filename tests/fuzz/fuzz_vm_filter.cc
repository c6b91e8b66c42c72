// SPDX-License-Identifier: Apache-2.0
// Expressions of --vm.include and --vm.exclude, a line of arbitrary bytes, and labels that they are
// held against: the rest. Seeds: tests/fuzz/corpus/vm_filter.
#include <string>
#include <string_view>

#include "exporter/identity/label_value.h"
#include "exporter/identity/vm_filter.h"
#include "tests/fuzz/require.h"

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(text.find('\n'), text.size());
  const std::string expression(text.substr(0, line));
  const std::string label = kvmx::label_value(text.substr(std::min(line + 1, text.size())));
  const auto pattern = kvmx::Pattern::compile(expression);
  if (!pattern) {
    kvmx::require(!pattern.error().message.empty(), "a refusal says why");
    return 0;
  }
  const bool matches = pattern->matches(label);
  kvmx::VmFilter filter{.include = *pattern, .exclude = {}};
  kvmx::require(filter.shows(label) == matches, "what is included is shown");
  filter.exclude = *pattern;
  kvmx::require(!filter.shows(label), "what is excluded is not");
  return 0;
}
