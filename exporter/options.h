// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "exporter/identity/vm_filter.h"
#include "exporter/kernel/events.h"
#include "exporter/metrics/per_vcpu.h"

namespace kvmx {

/// What the program does; each has a file in commands/.
enum class Command : std::uint8_t { serve, unpin, top, profile };

/// What follows the word top.
struct TopOptions {
  std::string url;  ///< of a running exporter; empty: on this host, by default address
  std::string user;
  std::string password_file;
  std::string ca_file;
  bool local = false;  ///< count without an exporter that runs
  bool once = false;
  bool json = false;
  std::string sort = "cost";
  std::string filter;
};

/// What follows the word profile.
struct ProfileOptions {
  std::string vm;
  std::uint64_t duration_ms = 10'000;
  std::vector<std::string> reasons;  ///< none: all
  std::uint32_t percent = 100;       ///< of the time, in which exits are counted
  std::string symbols;               ///< file with the guest kernel's symbols
  bool per_vcpu = false;
  std::optional<std::size_t> top;  ///< places that are shown; 0: all; nothing: as the form has it
  bool json = false;
  bool folded = false;
};

/// What the command line says.
struct Options {
  Command command = Command::serve;
  std::vector<std::string> listen_addresses = {":10177"};
  bool systemd_socket = false;  ///< serve on the sockets that systemd opened
  std::string telemetry_path = "/metrics";
  std::uint32_t max_requests = 40;  ///< scrapes at once; 0: any number
  std::string web_config_file;
  std::uint32_t max_vcpus = 4096;
  std::string pin_dir;
  std::chrono::milliseconds scrape_min_interval{1000};
  std::chrono::milliseconds vm_linger{300'000};
  VmFilter vm_filter;
  PerVcpu per_vcpu = PerVcpu::counts;
  bool sandbox = true;  ///< give up privileges once attached
  std::string log_level = "info";
  std::string log_format = "logfmt";
  std::array<bool, kEvents.size()> collectors = EventSelection().collectors;
  std::string other_events;  ///< patterns of --collector.events
  TopOptions top;
  ProfileOptions profile;
};

}  // namespace kvmx
