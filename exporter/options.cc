// SPDX-License-Identifier: Apache-2.0
#include "exporter/options.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>
#include <map>

#include "exporter/base/version.h"

namespace kvmx {
namespace {

constexpr int kUsageError = 2;

std::string version_text() {
  return std::string("kvm_exit_exporter, version ") + kVersion + " (revision " + kRevision +
         ", compiler " + kCompiler + ")";
}

std::string check_path(const std::string& path) {
  const bool good =
      path.starts_with('/') && path.size() > 1 && path.find_first_of("?# ") == std::string::npos;
  return good ? "" : "give a path such as /metrics";
}

void add_duration(CLI::App& app, const std::string& flag, std::uint64_t& milliseconds,
                  const std::string& fallback, const std::string& help) {
  static const std::map<std::string, std::uint64_t> units = {
      {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};
  app.add_option(flag, milliseconds, help)
      ->transform(CLI::AsNumberWithUnit(units, CLI::AsNumberWithUnit::UNIT_REQUIRED, "DURATION"))
      ->default_str(fallback);
}

}  // namespace

std::variant<Options, ExitCode> parse_options(int argc, const char* const* argv) {
  Options options;
  std::uint64_t min_interval = static_cast<std::uint64_t>(options.scrape_min_interval.count());
  std::uint64_t linger = static_cast<std::uint64_t>(options.vm_linger.count());

  CLI::App app(
      "Counts the VM exits, MSR accesses and timers of every KVM guest on this host, for "
      "Prometheus.",
      "kvm_exit_exporter");
  app.set_version_flag("--version", version_text());
  app.get_formatter()->column_width(40);
  app.add_option("--web.listen-address", options.listen_addresses,
                 "Address to serve on, HOST:PORT or :PORT; may be given more than once")
      ->take_all()
      ->expected(1)
      ->capture_default_str();
  app.add_option("--web.telemetry-path", options.telemetry_path, "Path of the metrics")
      ->check(CLI::Validator(check_path, "PATH"))
      ->capture_default_str();
  app.add_option("--bpf.max-vcpus", options.max_vcpus,
                 "Room for this many vCPUs, 4 KiB of memory each; those of VMs that ended within "
                 "--vm.linger count too")
      ->check(CLI::Range(1U, 1U << 20U))
      ->capture_default_str();
  add_duration(app, "--scrape.min-interval", min_interval, "1s",
               "Scrapes closer together than this see the same counts");
  add_duration(app, "--vm.linger", linger, "5m", "How long to keep the counts of a VM that ended");
  for (std::size_t i = 0; i < kEvents.size(); ++i) {
    const std::string name(kEvents[i].collector);
    app.add_flag("--collector." + name + ",!--no-collector." + name, options.collectors[i],
                 "Count " + std::string(kEvents[i].gives) + " (default: on)");
  }
  app.add_flag("--collector.events{all}", options.other_events,
               "Count other KVM events too: all, or those of a list of names and patterns, such as "
               "--collector.events=kvm_pio,kvm_*mmio (default: none)");
  app.add_option("--log.level", options.log_level, "What to log: debug, info, warn or error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ExitCode{app.exit(error) == 0 ? 0 : kUsageError};
  }
  if (!options.other_events.empty() && !options.collectors[index_of(Event::exit)]) {
    std::fputs("--collector.events needs --collector.exits: exits tell which vCPU a thread runs.\n",
               stderr);
    return ExitCode{kUsageError};
  }
  options.scrape_min_interval = std::chrono::milliseconds(min_interval);
  options.vm_linger = std::chrono::milliseconds(linger);
  return options;
}

}  // namespace kvmx
