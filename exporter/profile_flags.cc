// SPDX-License-Identifier: Apache-2.0
#include "exporter/profile_flags.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "exporter/duration_flag.h"

namespace kvmx {

CLI::App* add_profile_command(CLI::App& app, ProfileOptions& options) {
  constexpr const char* kWhat = "What to count";
  constexpr const char* kHow = "What to show";
  CLI::App* const profile = app.add_subcommand(
      "profile", "Count which code of a guest makes it exit, print the ranking, and end");
  profile->get_help_ptr()->description("Print this and end");
  profile
      ->add_option("VM", options.vm, "The guest, by its label vm, its name, or the pid of its VMM")
      ->type_name("")
      ->required();
  add_duration_flag(*profile, "--duration", options.duration_ms, "10s", std::chrono::hours(24),
                    "How long to count; Ctrl-C ends it earlier")
      ->group(kWhat);
  profile
      ->add_option("--reason", options.reasons,
                   "Only exits for this reason, as the metrics name it, such as msr or MSR_WRITE; "
                   "may be given more than once")
      ->type_name("REASON")
      ->group(kWhat)
      ->take_all()
      ->expected(1)
      ->allow_extra_args(false);
  profile
      ->add_option("--rate", options.percent,
                   "Count in this percentage of the time, in slices of 0.1 s, for a guest that "
                   "counting must not slow")
      ->type_name("PERCENT")
      ->group(kWhat)
      ->check(CLI::Range(1U, 100U).description(""))
      ->capture_default_str();
  profile
      ->add_option("--symbols", options.symbols,
                   "System.map, kallsyms or vmlinux of the guest's kernel, for names; where KASLR "
                   "has put the kernel is found out")
      ->type_name("FILE")
      ->group(kHow);
  profile->add_flag("--per-vcpu", options.per_vcpu, "Rank the places of each vCPU apart")
      ->group(kHow);
  profile->add_option("--top", options.top, "Show so many places; 0: all")
      ->type_name("NUMBER")
      ->group(kHow)
      ->check(CLI::Range(0U, 1U << 20U).description(""))
      ->default_str("20");
  CLI::Option* const json =
      profile->add_flag("--json", options.json, "Print JSON, all places unless --top is given")
          ->group(kHow);
  profile->add_flag("--folded", options.folded, "Print folded stacks, for flame graphs")
      ->group(kHow)
      ->excludes(json);
  return profile;
}

}  // namespace kvmx
