// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/vm_filter.h"

#include <re2/re2.h>

namespace kvmx {

Result<Pattern> Pattern::compile(const std::string& pattern) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  auto compiled = std::make_shared<const re2::RE2>(pattern, options);
  if (!compiled->ok())
    return Error{"\"" + pattern + "\" is not a regular expression (RE2): " + compiled->error()};
  Pattern made;
  made.compiled_ = std::move(compiled);
  return made;
}

bool Pattern::matches(std::string_view text) const {
  return re2::RE2::FullMatch({text.data(), text.size()}, *compiled_);
}

}  // namespace kvmx
