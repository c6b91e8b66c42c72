// SPDX-License-Identifier: Apache-2.0
// Parses the command line, chooses the command, runs it.
#include <cstdio>
#include <cstdlib>
#include <variant>

#include "exporter/base/descriptors.h"
#include "exporter/base/log.h"
#include "exporter/base/version.h"
#include "exporter/commands/commands.h"
#include "exporter/commands/version_report.h"
#include "exporter/flags.h"
#include "exporter/sandbox/capabilities.h"

namespace {

kvmx::Result<void> run(const kvmx::Options& options) {
  switch (options.command) {
    case kvmx::Command::unpin:
      return kvmx::unpin(options);
    case kvmx::Command::top:
      return kvmx::top(options);
    case kvmx::Command::profile:
      return kvmx::profile(options);
    case kvmx::Command::serve:
      break;
  }
  return kvmx::serve(options);
}

/// The name of a command that speaks to people, who need no log; else null.
const char* command_for_people(kvmx::Command command) {
  if (command == kvmx::Command::top) return "top";
  return command == kvmx::Command::profile ? "profile" : nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  kvmx::open_standard_descriptors();
  const auto parsed = kvmx::parse_flags(argc, argv, kvmx::version_report);
  if (const auto* exit = std::get_if<kvmx::ExitCode>(&parsed)) return exit->code;
  const auto& options = std::get<kvmx::Options>(parsed);
  kvmx::start_log(options.log_level,
                  options.log_format == "json" ? kvmx::LogFormat::json : kvmx::LogFormat::logfmt);
  const char* const for_people = command_for_people(options.command);
  if (for_people && options.log_level == "info") spdlog::set_level(spdlog::level::warn);
  spdlog::info("kvm_exit_exporter {} (revision {})", kvmx::kVersion, kvmx::kRevision);
  if (const auto raised = kvmx::raise_capabilities(); !raised)
    spdlog::warn("{}: this process may lack privileges", raised.error().message);
  const kvmx::Result<void> done = run(options);
  if (done) return EXIT_SUCCESS;
  if (for_people)
    std::fprintf(stderr, "kvm_exit_exporter %s: %s\n", for_people, done.error().message.c_str());
  else
    spdlog::error("{}", done.error().message);
  return EXIT_FAILURE;
}
