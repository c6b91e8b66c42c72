// SPDX-License-Identifier: Apache-2.0
#include "exporter/options.h"

#include <cstdio>

#include "exporter/about.h"
#include "exporter/flags.h"

namespace kvmx {
namespace {

constexpr int kUsageError = 2;

}  // namespace

std::variant<Options, ExitCode> parse_options(int argc, const char* const* argv) {
  Flags flags(about);
  try {
    flags.app().parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ExitCode{flags.app().exit(error) == 0 ? 0 : kUsageError};
  }
  Result<Options> options = flags.options();
  if (!options) {
    std::fprintf(stderr, "%s\n", options.error().message.c_str());
    return ExitCode{kUsageError};
  }
  return std::move(*options);
}

}  // namespace kvmx
