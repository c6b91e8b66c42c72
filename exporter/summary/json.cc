// SPDX-License-Identifier: Apache-2.0
#include "exporter/summary/json.h"

#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "exporter/base/version.h"
#include "exporter/identity/label_value.h"

namespace kvmx {
namespace {

using nlohmann::ordered_json;

constexpr std::array<std::pair<ExitCounting, const char*>, 3> kExitCountings = {
    {{ExitCounting::counted, "counted"},
     {ExitCounting::not_raised, "not_raised"},
     {ExitCounting::not_counted, "not_counted"}}};

template <typename T>
ordered_json or_null(const std::optional<T>& value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

ordered_json json_of(const std::optional<LeadingCause>& cause) {
  if (!cause) return nullptr;
  return {{"name", cause->name}, {"share", cause->share}};
}

ordered_json json_of(const FindingSummary& finding) {
  return {{"finding", finding.kind},       {"held_seconds", finding.held_seconds},
          {"seen", finding.text.seen},     {"cost", finding.text.cost},
          {"likely", finding.text.likely}, {"first", finding.text.first}};
}

ordered_json json_of(const GuestSummary& guest) {
  ordered_json findings = ordered_json::array();
  for (const FindingSummary& finding : guest.findings) findings.push_back(json_of(finding));
  return {{"vm", guest.label},
          {"pid", guest.pid},
          {"vcpus", guest.vcpus},
          {"vcpus_running", or_null(guest.running)},
          {"tick_hertz", or_null(guest.tick_hertz)},
          {"wakeups_per_second", or_null(guest.wakeups)},
          {"exits_per_second", or_null(guest.exits)},
          {"halted_ratio", or_null(guest.halted)},
          {"events_per_second", guest.cost},
          {"top_reason", json_of(guest.reason)},
          {"top_msr", json_of(guest.msr)},
          {"findings", std::move(findings)}};
}

std::string text_of(const ordered_json& object, const char* member) {
  constexpr std::size_t kLongest = 4096;
  return label_value(object.at(member).get<std::string>(), kLongest);
}

/// A number that is negative, or has a fraction, is refused.
std::uint64_t whole_number(const ordered_json& number) {
  return number.get_ref<const ordered_json::number_unsigned_t&>();
}

std::optional<double> optional_of(const ordered_json& object, const char* member) {
  const auto found = object.find(member);
  if (found == object.end() || found->is_null()) return std::nullopt;
  return found->get<double>();
}

std::optional<LeadingCause> cause_of(const ordered_json& object, const char* member) {
  const auto found = object.find(member);
  if (found == object.end() || found->is_null()) return std::nullopt;
  return LeadingCause{text_of(*found, "name"), found->at("share").get<double>()};
}

GuestSummary guest_of(const ordered_json& object) {
  GuestSummary guest;
  guest.label = text_of(object, "vm");
  guest.pid = static_cast<std::uint32_t>(whole_number(object.at("pid")));
  guest.vcpus = whole_number(object.at("vcpus"));
  if (const ordered_json running = object.value("vcpus_running", ordered_json());
      !running.is_null())
    guest.running = whole_number(running);
  guest.tick_hertz = optional_of(object, "tick_hertz");
  guest.wakeups = optional_of(object, "wakeups_per_second");
  guest.exits = optional_of(object, "exits_per_second");
  guest.halted = optional_of(object, "halted_ratio");
  guest.cost = object.at("events_per_second").get<double>();
  guest.reason = cause_of(object, "top_reason");
  guest.msr = cause_of(object, "top_msr");
  for (const ordered_json& finding : object.at("findings"))
    guest.findings.push_back({text_of(finding, "finding"),
                              finding.at("held_seconds").get<double>(),
                              {.seen = text_of(finding, "seen"),
                               .cost = text_of(finding, "cost"),
                               .likely = text_of(finding, "likely"),
                               .first = text_of(finding, "first")}});
  return guest;
}

HostSummary host_of(const ordered_json& whole) {
  HostSummary summary;
  const ordered_json& host = whole.at("host");
  summary.cpus = static_cast<std::uint32_t>(whole_number(host.at("cpus")));
  if (const auto clock = host.find("clock_hertz"); clock != host.end() && !clock->is_null())
    summary.clock = CpuClock{.max_hertz = clock->at("max").get<double>(),
                             .mean_hertz = clock->at("mean").get<double>(),
                             .limit_hertz = clock->at("limit").get<double>()};
  const std::string counting = text_of(host, "exit_counting");
  for (const auto& [value, name] : kExitCountings)
    if (counting == name) summary.exit_counting = value;
  for (const ordered_json& guest : whole.at("guests")) summary.guests.push_back(guest_of(guest));
  return summary;
}

}  // namespace

std::string to_json(const HostSummary& host) {
  ordered_json guests = ordered_json::array();
  for (const GuestSummary& guest : host.guests) guests.push_back(json_of(guest));
  ordered_json clock = nullptr;
  if (host.clock)
    clock = {{"mean", host.clock->mean_hertz},
             {"max", host.clock->max_hertz},
             {"limit", host.clock->limit_hertz}};
  const auto* counting = kExitCountings.data();
  while (counting->first != host.exit_counting) ++counting;
  const ordered_json whole = {{"version", kVersion},
                              {"host",
                               {{"cpus", host.cpus},
                                {"clock_hertz", std::move(clock)},
                                {"exit_counting", counting->second}}},
                              {"guests", std::move(guests)}};
  return whole.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

Result<HostSummary> parse_summary(std::string_view json) {
  try {
    return host_of(ordered_json::parse(json));
  } catch (const nlohmann::json::exception& error) {
    return Error{"this is no summary of an exporter: " + label_value(error.what())};
  }
}

}  // namespace kvmx
