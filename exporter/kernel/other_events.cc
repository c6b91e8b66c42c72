// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/other_events.h"

#include <fnmatch.h>

#include <algorithm>
#include <filesystem>

#include "exporter/kernel/events.h"
#include "exporter/kernel/tracefs.h"

namespace kvmx {
namespace {

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> parts;
  while (!list.empty()) {
    const std::string_view part = list.substr(0, list.find(','));
    if (!part.empty()) parts.emplace_back(part);
    list.remove_prefix(std::min(list.size(), part.size() + 1));
  }
  return parts;
}

/// kvm_entry is counted by its collector but not exported by it, so it may be chosen.
bool has_collector(std::string_view name) {
  return name != info_of(Event::entry).name &&
         std::ranges::any_of(kEvents, [&](const EventInfo& event) { return event.name == name; });
}

bool matches(const std::string& pattern, const std::string& name) {
  return pattern == "all" || ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0 ||
         ::fnmatch(("kvm_" + pattern).c_str(), name.c_str(), 0) == 0;
}

}  // namespace

std::vector<std::string> choose_events(std::string_view patterns,
                                       const std::vector<std::string>& available) {
  const std::vector<std::string> wanted = split(patterns);
  std::vector<std::string> chosen;
  for (const std::string& name : available) {
    const bool match = std::ranges::any_of(
        wanted, [&](const std::string& pattern) { return matches(pattern, name); });
    if (match && !has_collector(name)) chosen.push_back(name);
  }
  std::ranges::sort(chosen);
  return chosen;
}

Result<std::vector<std::string>> list_kvm_events() {
  const auto directory = kvm_events_directory();
  if (!directory)
    return Error{"tracefs is not mounted: run \"mount -t tracefs tracefs /sys/kernel/tracing\""};
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(*directory, error))
    if (entry.is_directory(error)) names.push_back(entry.path().filename());
  if (error) return Error{"cannot list " + directory->string() + ": " + error.message()};
  return names;
}

}  // namespace kvmx
