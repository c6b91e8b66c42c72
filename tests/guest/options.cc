// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <CLI/CLI.hpp>

namespace kvmx::guest {
namespace {

// CLI11's own say "not in range 0.000000 to 1797..." with 309 digits.
CLI::Validator number_check(bool zero_is_fine) {
  const auto check = [zero_is_fine](const std::string& text) -> std::string {
    double number = 0;
    if (!CLI::detail::lexical_cast(text, number)) return {};  // the conversion itself complains
    if (number > 0 || (number == 0 && zero_is_fine)) return {};
    return text + (zero_is_fine ? " is below 0" : " is not above 0");
  };
  return CLI::Validator{check, ""};
}
CLI::Validator number_from_zero() { return number_check(true); }
CLI::Validator number_above_zero() { return number_check(false); }

std::string program_help() {
  std::string text = "the guest's program, one of:";
  for (const auto& program : programs()) {
    text += "\n  ";
    text += program.name;
    text += ": ";
    text += program.help;
  }
  return text;
}

void add_program_options(CLI::App& app, std::string& program, Options& options) {
  auto& parameters = options.parameters;
  app.add_option("--program", program, program_help())->required();
  app.add_option(
         "--count", parameters.count,
         "iterations of the program on each vCPU; 0: until --duration, or SIGINT or SIGTERM")
      ->check(number_from_zero());
  app.add_option("--duration", options.duration,
                 "seconds after which the program is stopped, whatever its count")
      ->check(number_from_zero());
  app.add_option("--rate", parameters.rate_hz, "of the programs with a timer: Hz")
      ->capture_default_str()
      ->check(number_above_zero());
  app.add_option("--msr", parameters.msr, "of wrmsr and rdmsr: the index, e.g. 0x3a")
      ->check(number_from_zero());
  app.add_option("--value", parameters.value, "of wrmsr: what to write");
  parameters.indices = 1000;
  app.add_option("--indices", parameters.indices, "of random-msr: how many different MSRs")
      ->capture_default_str()
      ->check(number_above_zero());
  app.add_option("--deadlines", parameters.deadlines,
                 "of random-msr: TSC_DEADLINE writes among the others (one of them each 1000 "
                 "iterations if there is no --count)")
      ->check(number_from_zero());
  app.add_option("--ports", parameters.ports, "of io: how many")->capture_default_str();
  app.add_option("--pages", parameters.pages, "of io: how many")->capture_default_str();
  app.add_option("--seed", parameters.seed, "of random-msr")->capture_default_str();
  app.add_option("--yield-every", parameters.yield_every,
                 "leave to the VMM by a port write every so many iterations")
      ->check(number_from_zero());
}

void add_machine_options(CLI::App& app, Options& options) {
  app.add_option("--vms", options.vms, "VMs in this process")
      ->capture_default_str()
      ->check(number_above_zero());
  app.add_option("--vcpus", options.vcpus, "vCPUs of each VM")
      ->capture_default_str()
      ->check(number_above_zero());
  app.add_option("--parked", options.parked, "further vCPUs of each VM, which never run")
      ->check(number_from_zero());
  auto* one = app.add_flag("--one-thread", options.one_thread,
                           "one thread runs all vCPUs in turn, changing at each return of KVM_RUN");
  app.add_option("--swap-threads", options.swap_every,
                 "vCPUs move to the next thread at every K-th return of KVM_RUN")
      ->type_name("K")
      ->check(number_above_zero())
      ->excludes(one);
  app.add_option("--stagger", options.stagger,
                 "create each vCPU this many ms after the one before (hot-plug)")
      ->check(number_from_zero());
  app.add_option("--repeat", options.repeat,
                 "create, run and destroy the VMs so many times, with a report each")
      ->check(number_above_zero());
  app.add_option("--irqs", options.irqs,
                 "pulses of an interrupt line of each VM, by the main thread, before the vCPUs run")
      ->check(number_from_zero());
  app.add_option("--lines", options.lines,
                 "while the vCPUs run, so many pulses of the interrupt lines 4, 11 and 30 of each "
                 "VM, and by an eventfd of line 10, from a thread that runs no vCPU")
      ->check(number_from_zero());
  app.add_option("--pit", options.pit_hz,
                 "each VM has KVM's timer chip, which raises line 0 so often a second")
      ->check(number_from_zero());
  app.add_flag(
      "--answer-msrs", options.answer_msrs,
      "this VMM answers accesses to MSRs that KVM does not know; the report leaves them out, "
      "as KVM makes none of them");
  app.add_flag("--hold-before", options.hold_before,
               "with the VMs created, print a line with event=ready and wait for a line or the end "
               "of stdin before running them");
  app.add_flag("--hold-after", options.hold_after,
               "after the report, wait for a line or the end of stdin before destroying the VMs");
}

void add_disguise_options(CLI::App& app, Options& options) {
  auto* name = app.add_option("--qemu-name", options.qemu_name,
                              "look like libvirt's QEMU with this guest name: command line, comm, "
                              "thread names");
  app.add_option("--qemu-uuid", options.qemu_uuid, "-uuid in that command line")->needs(name);
  app.add_option("--exec-as", options.exec_as,
                 "look like this command line instead; once for each of its words, the program "
                 "first")
      ->type_name("WORD")
      ->allow_extra_args(false)
      ->excludes(name);
}

}  // namespace

std::variant<Options, int> parse_options(int argc, const char* const* argv) {
  constexpr int usage_error = 2;
  CLI::App app{
      "Guests of known behaviour on /dev/kvm, for tests of a KVM exit exporter and for its demo.\n"
      "Prints a report in JSON, one line: what the guest did, and what KVM and the VMM saw of it.",
      "kvmx-guest"};
  app.footer(
      "Example, a storm of 4 vCPUs for a minute:\n"
      "  kvmx-guest --program deadline-halt --rate 1000 --vcpus 4 --duration 60 --qemu-name storm");
  Options options;
  std::string program;
  add_program_options(app, program, options);
  add_machine_options(app, options);
  add_disguise_options(app, options);
  try {
    app.parse(argc, argv);
    options.program = find_program(program);
    if (options.program == nullptr) {
      throw CLI::ValidationError("--program", "there is no " + program + "; see --help");
    }
    if (const auto text = objection(*options.program, options.parameters)) {
      throw CLI::ValidationError(std::string{*text});
    }
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : usage_error;
  }
  return options;
}

}  // namespace kvmx::guest
