// SPDX-License-Identifier: Apache-2.0
#include "exporter/flags.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <tuple>
#include <utility>

#include "exporter/base/result.h"
#include "exporter/duration_flag.h"
#include "exporter/profile_flags.h"
#include "exporter/summary/json.h"
#include "exporter/top_flags.h"
#include "exporter/web/address.h"

namespace kvmx {
namespace {

constexpr const char* kOthers = "Other flags";

/// Each takes a thread for as long as it is answered.
constexpr std::uint32_t kMostRequests = 1000;

std::string check_path(const std::string& path) {
  const bool has_odd_character = std::ranges::any_of(
      path, [](char c) { return c <= ' ' || c == '\x7f' || c == '?' || c == '#' || c == '%'; });
  const bool good =
      path.starts_with('/') && !path.starts_with("/-/") && path.size() > 1 && !has_odd_character;
  if (path == "/vm" || path == kSummaryPath)
    return "another page is there: give another path, such as /metrics";
  return good ? "" : "give a path such as /metrics";
}

std::string check_listen_address(const std::string& address) {
  const Result<ListenAddress> parsed = parse_listen_address(address);
  return parsed ? "" : parsed.error().message;
}

/// How a flag is written in texts: "-h,--help", "--[no-]collector.exits".
std::string written(const CLI::Option& option) {
  std::string names;
  for (const std::string& name : option.get_snames()) names += "-" + name + ", ";
  const bool can_be_off = option.get_lnames().size() == 2;
  return names + (can_be_off ? "--[no-]" : "--") + option.get_lnames().front();
}

/// Writes a flag that can be switched off as node_exporter does.
class Formatter : public CLI::Formatter {
 public:
  [[nodiscard]] std::string make_option_name(const CLI::Option* option,
                                             bool positional) const override {
    return positional ? option->get_name(true) : written(*option);
  }
};

/// The flags as CLI11 has them, and what they were set to.
class Flags {
 public:
  explicit Flags(std::function<std::string()> version);

  [[nodiscard]] CLI::App& app() { return app_; }
  [[nodiscard]] FlagReference describe() const { return describe(app_); }

  /// What the flags say, once app() has parsed; or how they do not go together.
  [[nodiscard]] Result<Options> options() const;

 private:
  [[nodiscard]] FlagReference describe(const CLI::App& app) const;
  void add_web();
  void add_collectors();
  void add_series();
  void add_others();
  CLI::Option* add_choice(const std::string& flag, std::string& choice,
                          const std::vector<std::string>& choices, const std::string& type,
                          const std::string& help);
  void add_duration(const std::string& flag, std::uint64_t& milliseconds,
                    const std::string& fallback, std::chrono::hours most, const std::string& help);

  Options options_;
  std::uint64_t scrape_min_interval_ms_;
  std::uint64_t vm_linger_ms_;
  std::string per_vcpu_ = "counts";
  std::string vm_include_;
  std::string vm_exclude_;
  bool unpin_ = false;
  bool no_default_collectors_ = false;
  CLI::App app_;
  std::array<const CLI::Option*, kEvents.size()> collector_flags_{};
  FlagChoices choices_;
  const CLI::App* top_;
  const CLI::App* profile_;
};

Flags::Flags(std::function<std::string()> version)
    : scrape_min_interval_ms_(static_cast<std::uint64_t>(options_.scrape_min_interval.count())),
      vm_linger_ms_(static_cast<std::uint64_t>(options_.vm_linger.count())),
      app_(
          "Counts the VM exits, MSR accesses and timers of every KVM guest on this host, for "
          "Prometheus.",
          "kvm_exit_exporter") {
  app_.formatter(std::make_shared<Formatter>());
  app_.get_formatter()->column_width(40);
  app_.get_help_ptr()->description("Print this and end");
  app_.set_version_flag("--version", std::move(version),
                        "Print versions and what this kernel offers, and end");
  add_web();
  add_collectors();
  add_series();
  add_others();
  top_ = add_top_command(app_, options_.top, choices_);
  profile_ = add_profile_command(app_, options_.profile);
}

void Flags::add_web() {
  constexpr const char* kGroup = "Serving";
  app_.add_option("--web.listen-address", options_.listen_addresses,
                  "Address to serve on: HOST:PORT, [HOST]:PORT, :PORT or unix:/PATH; may be given "
                  "more than once")
      ->type_name("ADDRESS")
      ->group(kGroup)
      ->take_all()
      ->expected(1)
      ->allow_extra_args(false)  // the next word is none of its own
      ->check(CLI::Validator(check_listen_address, ""))
      ->default_str(options_.listen_addresses.front());
  app_.add_flag("--web.systemd-socket", options_.systemd_socket,
                "Serve on the sockets that systemd has opened (a .socket unit) instead of "
                "--web.listen-address")
      ->group(kGroup);
  app_.add_option("--web.telemetry-path", options_.telemetry_path, "Path of the metrics")
      ->type_name("PATH")
      ->group(kGroup)
      ->check(CLI::Validator(check_path, ""))
      ->capture_default_str();
  app_.add_option("--web.max-requests", options_.max_requests,
                  "Scrapes answered at once; more get a 503. 0: any number")
      ->type_name("NUMBER")
      ->group(kGroup)
      ->check(CLI::Range(0U, kMostRequests).description(""))
      ->capture_default_str();
  app_.add_option("--web.config.file", options_.web_config_file,
                  "File that tells of TLS certificates and passwords, in the format of Prometheus' "
                  "exporters")
      ->type_name("FILE")
      ->group(kGroup);
}

void Flags::add_collectors() {
  constexpr const char* kGroup = "What to count";
  for (std::size_t i = 0; i < kEvents.size(); ++i) {
    if (kEvents[i].help.empty()) continue;  // its flag is that of an event before it
    const std::string name(kEvents[i].collector);
    collector_flags_[i] =
        app_.add_flag("--collector." + name + ",!--no-collector." + name, options_.collectors[i],
                      "Count " + std::string(kEvents[i].help) + " (default: on)")
            ->group(kGroup);
  }
  app_.add_flag("--collector.events{all}", options_.other_events,
                "Count other KVM events too: all, or those of a list of names and patterns, such "
                "as --collector.events=kvm_cpuid,kvm_*irq (default: none)")
      ->group(kGroup);
  app_.add_flag("--collector.disable-defaults", no_default_collectors_,
                "Count nothing but what --collector.NAME asks for")
      ->group(kGroup);
}

void Flags::add_series() {
  constexpr const char* kGroup = "What to show";
  add_choice("--metrics.per-vcpu", per_vcpu_, {"counts", "all", "none"}, "WHICH",
             "Which metrics have a label vcpu; the others are sums over the VM. counts: those that "
             "count exits, MSR accesses, timers and halts; all: times and userspace exits too; "
             "none")
      ->group(kGroup);
  app_.add_option("--vm.include", vm_include_,
                  "Show only VMs whose label vm matches this regular expression (RE2) as a whole")
      ->type_name("REGEX")
      ->group(kGroup);
  app_.add_option("--vm.exclude", vm_exclude_, "Show no VM whose label vm matches this one")
      ->type_name("REGEX")
      ->group(kGroup);
}

void Flags::add_others() {
  app_.add_option("--bpf.max-vcpus", options_.max_vcpus,
                  "Room for this many vCPUs, 6 KiB of memory each; those of VMs that ended within "
                  "--vm.linger count too")
      ->type_name("NUMBER")
      ->group(kOthers)
      ->check(CLI::Range(1U, 1U << 20U).description(""))
      ->capture_default_str();
  app_.add_option("--bpf.pin-dir", options_.pin_dir,
                  "Directory on a BPF file system, such as /sys/fs/bpf/kvm-exit-exporter, to pin "
                  "programs and maps in: counting goes on while the exporter is down")
      ->type_name("DIR")
      ->group(kOthers);
  app_.add_flag("--bpf.unpin", unpin_,
                "Remove what is pinned in --bpf.pin-dir, and end: KVM can be unloaded then")
      ->group(kOthers);
  add_duration("--scrape.min-interval", scrape_min_interval_ms_, "1s", std::chrono::hours(1),
               "Scrapes closer together than this see the same counts");
  add_duration("--vm.linger", vm_linger_ms_, "5m", std::chrono::hours(24 * 366),
               "How long to keep the counts of a VM that ended");
  app_.add_flag("--sandbox,!--no-sandbox", options_.sandbox,
                "Once attached, give up capabilities and most system calls (default: on)");
  add_choice("--log.level", options_.log_level, {"debug", "info", "warn", "error"}, "LEVEL",
             "What to log: debug, info, warn or error");
  add_choice("--log.format", options_.log_format, {"logfmt", "json"}, "FORMAT",
             "How to log: logfmt or json");
}

CLI::Option* Flags::add_choice(const std::string& flag, std::string& choice,
                               const std::vector<std::string>& choices, const std::string& type,
                               const std::string& help) {
  CLI::Option* option = app_.add_option(flag, choice, help)
                            ->type_name(type)
                            ->group(kOthers)
                            ->check(CLI::IsMember(choices).description(""))
                            ->capture_default_str();
  choices_[option] = choices;
  return option;
}

FlagReference Flags::describe(const CLI::App& app) const {
  FlagReference reference;
  reference.name = app.get_name();
  reference.summary = app.get_description();
  reference.groups = app.get_groups();
  for (const CLI::App* command : app.get_subcommands({}))
    reference.commands.push_back(describe(*command));
  for (const CLI::Option* option : app.get_options({})) {
    if (option->get_positional()) {
      reference.operand = option->get_name(true);
      reference.operand_help = option->get_description();
      continue;
    }
    const bool has_value = option->get_items_expected_max() > 0;
    const auto choices = choices_.find(option);
    reference.flags.push_back(
        {.written = written(*option),
         .names = option->get_lnames(),
         .group = option->get_group(),
         .help = option->get_description(),
         .value = has_value ? option->get_type_name() : "",
         .optional_value = option->get_items_expected_min() == 0,
         .fallback = has_value ? option->get_default_str() : "",
         .choices = choices == choices_.end() ? std::vector<std::string>() : choices->second,
         .repeatable = option->get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll});
  }
  return reference;
}

void Flags::add_duration(const std::string& flag, std::uint64_t& milliseconds,
                         const std::string& fallback, std::chrono::hours most,
                         const std::string& help) {
  add_duration_flag(app_, flag, milliseconds, fallback, most, help)->group(kOthers);
}

Result<Options> Flags::options() const {
  Options options = options_;
  options.command = unpin_ ? Command::unpin : Command::serve;
  if (top_->parsed()) options.command = Command::top;
  if (profile_->parsed()) options.command = Command::profile;
  options.scrape_min_interval = std::chrono::milliseconds(scrape_min_interval_ms_);
  options.vm_linger = std::chrono::milliseconds(vm_linger_ms_);
  for (std::size_t i = 0; i < kEvents.size(); ++i) {
    if (kEvents[i].help.empty())
      options.collectors[i] = options.collectors[i - 1];
    else if (no_default_collectors_)
      options.collectors[i] = options.collectors[i] && collector_flags_[i]->count() > 0;
  }
  if (unpin_ && options.pin_dir.empty())
    return Error{"--bpf.unpin needs --bpf.pin-dir: where is it pinned?"};
  if (!options.other_events.empty() && !options.collectors[index_of(Event::exit)])
    return Error{
        "--collector.events needs --collector.exits: exits tell which vCPU a thread runs."};
  options.per_vcpu = per_vcpu_named(per_vcpu_).value_or(options.per_vcpu);
  for (const auto& [flag, text, into] :
       {std::tuple("--vm.include", &vm_include_, &options.vm_filter.include),
        std::tuple("--vm.exclude", &vm_exclude_, &options.vm_filter.exclude)}) {
    if (text->empty()) continue;
    Result<Pattern> pattern = Pattern::compile(*text);
    if (!pattern) return Error{std::string(flag) + ": " + pattern.error().message};
    *into = std::move(*pattern);
  }
  return options;
}

}  // namespace

std::variant<Options, ExitCode> parse_flags(int argc, const char* const* argv,
                                            std::function<std::string()> version) {
  Flags flags(std::move(version));
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

FlagReference describe_flags() {
  return Flags([] { return std::string(); }).describe();
}

}  // namespace kvmx
