// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "exporter/base/result.h"
#include "exporter/options.h"

namespace kvmx {

/// How a flag is written in texts: "-h, --help", "--[no-]collector.exits".
std::string flag_names(const CLI::Option& option);

/// The flags: what is parsed, --help, the manual page and the shells' completions all come from
/// here.
class Flags {
 public:
  /// `version` is called to answer --version.
  explicit Flags(std::function<std::string()> version);

  [[nodiscard]] CLI::App& app() { return app_; }
  [[nodiscard]] const CLI::App& app() const { return app_; }

  /// What an option may be set to, if that is one of a few words.
  [[nodiscard]] std::vector<std::string> choices(const CLI::Option& option) const;

  /// What the flags say, once app() has parsed; or how they do not go together.
  [[nodiscard]] Result<Options> options() const;

 private:
  void add_web();
  void add_collectors();
  void add_series();
  void add_others();
  CLI::Option* add_choice(const std::string& flag, std::string& choice,
                          const std::vector<std::string>& choices, const std::string& type,
                          const std::string& help);
  void add_duration(const std::string& flag, std::uint64_t& milliseconds,
                    const std::string& fallback, const std::string& help);

  Options options_;
  std::uint64_t scrape_min_interval_ms_;
  std::uint64_t vm_linger_ms_;
  std::string per_vcpu_ = "counts";
  std::string vm_include_;
  std::string vm_exclude_;
  bool no_default_collectors_ = false;
  CLI::App app_;
  std::array<const CLI::Option*, kEvents.size()> collector_flags_{};
  std::map<const CLI::Option*, std::vector<std::string>> choices_;
};

}  // namespace kvmx
