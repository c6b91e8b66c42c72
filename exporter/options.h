// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "exporter/identity/vm_filter.h"
#include "exporter/kernel/events.h"
#include "exporter/metrics/rows.h"

namespace kvmx {

struct Options {
  std::vector<std::string> listen_addresses = {":10177"};
  std::string telemetry_path = "/metrics";
  std::uint32_t max_requests = 40;  ///< scrapes at once; 0: any number
  std::string web_config_file;
  std::uint32_t max_vcpus = 4096;
  std::string pin_dir;
  bool unpin = false;  ///< remove what is pinned, and end
  std::chrono::milliseconds scrape_min_interval{1000};
  std::chrono::milliseconds vm_linger{300'000};
  VmFilter vm_filter;
  PerVcpu per_vcpu = PerVcpu::counts;
  bool sandbox = true;  ///< give up privileges once attached
  std::string log_level = "info";
  std::string log_format = "logfmt";
  std::array<bool, kEvents.size()> collectors = EventSelection().collectors;
  std::string other_events;  ///< patterns of --collector.events
};

/// The command line asks for no run: --help, --version, or a mistake. What was to be said is said.
struct ExitCode {
  int code;  ///< 0, or 2 for a mistake
};

std::variant<Options, ExitCode> parse_options(int argc, const char* const* argv);

}  // namespace kvmx
