// SPDX-License-Identifier: Apache-2.0
#include "exporter/profile/report.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string_view>

#include "exporter/base/version.h"
#include "exporter/diagnosis/words.h"
#include "exporter/names/exit_reasons.h"
#include "exporter/names/hex.h"
#include "exporter/names/msr.h"

namespace kvmx {
namespace {

using nlohmann::ordered_json;

std::string count_text(std::uint64_t number) { return words::grouped(static_cast<double>(number)); }

std::string printed(const char* format, double number) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), format, number);
  return text.data();
}

std::string per_second(double rate) {
  return rate < 10 ? printed("%.1f", rate) : words::grouped(rate);
}

/// Attaching takes some time, too.
constexpr double kMostOfTime = 0.9;

double rate(const Report& report, std::uint64_t exits) {
  const double seconds = report.profile.counted_seconds;
  return seconds > 0 ? static_cast<double>(exits) / seconds : 0;
}

/// Of a cell, whether it is aligned to the right.
constexpr std::array<bool, 7> kRight = {true, true, true, false, false, false, false};
using Row = std::array<std::string, kRight.size()>;

std::string where(const Report& report, const RankedPlace& ranked) {
  if (ranked.name) return ranked.name->text();
  const bool low = half_of(ranked.place.rip) == Half::lower;
  return low && report.low_kernel ? "lower half" : half_name(ranked.place.rip);
}

Row row_of(const Report& report, const RankedPlace& ranked) {
  const Place& place = ranked.place;
  return {printed("%.1f %%", 100 * report.share(place.exits)),
          per_second(rate(report, place.exits)),
          place.vcpu ? std::to_string(*place.vcpu) : "",
          exit_reason_name(report.profile.isa, place.reason),
          access_text(place),
          address_text(place.rip),
          where(report, ranked)};
}

Row other_row(const Report& report, const std::string& reason, std::uint64_t exits) {
  return {printed("%.1f %%", 100 * report.share(exits)),
          per_second(rate(report, exits)),
          "",
          reason,
          "",
          "other",
          "more addresses than there is room for"};
}

std::vector<Row> rows_of(const Report& report, std::size_t shown) {
  std::vector<Row> rows = {
      {"share", "exits/s", "vCPU", "reason", "access", "guest address", "where"}};
  for (std::size_t i = 0; i < shown; ++i) rows.push_back(row_of(report, report.ranking[i]));
  const ProfileCounts& counts = report.profile.counts;
  for (const auto& [reason, exits] : counts.others)
    rows.push_back(other_row(report, exit_reason_name(report.profile.isa, reason), exits));
  if (counts.unplaced != 0) rows.push_back(other_row(report, "any", counts.unplaced));
  return rows;
}

/// Columns in which nothing is said are left out.
std::string aligned(const std::vector<Row>& rows) {
  std::array<std::size_t, kRight.size()> widths{};
  for (std::size_t column = 0; column < kRight.size(); ++column) {
    const bool used = std::any_of(rows.begin() + 1, rows.end(),
                                  [&](const Row& row) { return !row[column].empty(); });
    for (const Row& row : rows)
      if (used) widths[column] = std::max(widths[column], row[column].size());
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t column = 0; column < kRight.size(); ++column) {
      if (widths[column] == 0) continue;
      const std::string blanks(widths[column] - row[column].size(), ' ');
      line += "  ";
      line += kRight[column] ? blanks + row[column] : row[column] + blanks;
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
  }
  return text;
}

std::string heading(const Report& report) {
  const Profile& profile = report.profile;
  const std::uint64_t exits = profile.exits();
  std::string text = profile.vm + " (pid " + std::to_string(profile.pid) + ", " +
                     std::to_string(profile.vcpus) + (profile.vcpus == 1 ? " vCPU" : " vCPUs") +
                     "): " + count_text(exits) + (exits == 1 ? " exit" : " exits") + " in " +
                     printed("%.1f s", profile.counted_seconds);
  if (profile.counted_seconds < kMostOfTime * profile.seconds)
    text += " of " + printed("%.1f s", profile.seconds);
  text += ", " + per_second(rate(report, exits)) + " a second";
  if (profile.counts.not_chosen != 0)
    text += "; " + count_text(profile.counts.not_chosen) + " for other reasons";
  return text + "\n";
}

ordered_json json_of(const Report& report, const RankedPlace& ranked) {
  const Place& place = ranked.place;
  ordered_json object = {{"share", report.share(place.exits)},
                         {"exits", place.exits},
                         {"exits_per_second", rate(report, place.exits)}};
  if (place.vcpu) object["vcpu"] = *place.vcpu;
  object["vcpus"] = place.vcpus;
  object["reason"] = exit_reason_name(report.profile.isa, place.reason);
  if (const auto msr = msr_of(place)) {
    object["msr"] = msr_name(*msr);
    object["index"] = hex(*msr);
  }
  if (const auto port = port_of(place)) object["port"] = hex(*port);
  if (place.access != KVMX_ACCESS_NONE) {
    const bool write = place.access == KVMX_ACCESS_MSR_WRITE ||
                       place.access == KVMX_ACCESS_ANY_MSR_WRITE ||
                       place.access == KVMX_ACCESS_PORT_WRITE;
    object["op"] = write ? "write" : "read";
  }
  object["rip"] = address_text(place.rip);
  object["half"] = half_of(place.rip) == Half::lower ? "lower" : "upper";
  if (ranked.name) {
    object["function"] = ranked.name->function;
    object["offset"] = ranked.name->offset;
    if (!ranked.name->module.empty()) object["module"] = ranked.name->module;
    if (!ranked.name->file.empty()) object["file"] = ranked.name->file;
    if (!ranked.name->file.empty()) object["line"] = ranked.name->line;
  }
  return object;
}

std::string frame(std::string text) {
  std::ranges::replace(text, ';', ',');
  std::ranges::replace(text, '\n', ' ');
  return text;
}

}  // namespace

std::string FunctionName::text() const {
  std::string text = function;
  if (offset != 0) text += "+" + address_text(offset);
  if (!module.empty()) text += " [" + module + "]";
  if (!file.empty()) text += " (" + file + ":" + std::to_string(line) + ")";
  return text;
}

double Report::share(std::uint64_t exits) const {
  const std::uint64_t all = profile.exits();
  return all == 0 ? 0 : static_cast<double>(exits) / static_cast<double>(all);
}

std::string table_text(const Report& report, std::size_t top) {
  const std::size_t all = report.ranking.size();
  const std::size_t shown = top == 0 ? all : std::min(top, all);
  std::string text = heading(report) + '\n' + aligned(rows_of(report, shown));
  std::uint64_t left = 0;
  for (std::size_t i = shown; i < all; ++i) left += report.ranking[i].place.exits;
  if (shown < all)
    text += "  and " + count_text(all - shown) +
            (all - shown == 1 ? " more place" : " more places") + " with " +
            printed("%.1f %%", 100 * report.share(left)) + " of the exits: --top=0 shows all\n";
  text += '\n';
  if (!report.symbols.empty()) text += report.symbols + '\n';
  for (const std::string& note : report.notes) text += note + '\n';
  return text;
}

std::string profile_json(const Report& report, std::size_t top) {
  const Profile& profile = report.profile;
  const std::size_t all = report.ranking.size();
  ordered_json places = ordered_json::array();
  for (std::size_t i = 0; i < (top == 0 ? all : std::min(top, all)); ++i)
    places.push_back(json_of(report, report.ranking[i]));
  ordered_json others = ordered_json::object();
  for (const auto& [reason, exits] : profile.counts.others)
    others[exit_reason_name(profile.isa, reason)] = exits;
  if (profile.counts.unplaced != 0) others["any"] = profile.counts.unplaced;
  const ordered_json whole = {
      {"version", kVersion},
      {"vm", profile.vm},
      {"pid", profile.pid},
      {"vcpus", profile.vcpus},
      {"isa", isa_name(profile.isa)},
      {"seconds", profile.seconds},
      {"counted_seconds", profile.counted_seconds},
      {"ended", profile.ended},
      {"exits", profile.exits()},
      {"exits_for_other_reasons", profile.counts.not_chosen},
      {"places", std::move(places)},
      {"places_left_out", all - std::min(all, top == 0 ? all : top)},
      {"other", std::move(others)},
      {"missed", profile.counts.missed},
      {"slide", report.slide ? ordered_json(*report.slide) : ordered_json(nullptr)},
      {"symbols", report.symbols},
      {"notes", report.notes}};
  return whole.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

std::string folded_text(const Report& report) {
  std::string text;
  const auto line = [&](const std::string& vcpu, const std::string& place,
                        const std::string& reason, std::uint64_t exits) {
    text += frame(report.profile.vm) + ";" + vcpu + frame(place) + ";" + frame(reason) + " " +
            std::to_string(exits) + "\n";
  };
  for (const RankedPlace& ranked : report.ranking) {
    const Place& place = ranked.place;
    const std::string access = access_text(place);
    line(place.vcpu ? "vCPU " + std::to_string(*place.vcpu) + ";" : "",
         ranked.name ? ranked.name->text() : address_text(place.rip),
         exit_reason_name(report.profile.isa, place.reason) + (access.empty() ? "" : " " + access),
         place.exits);
  }
  for (const auto& [reason, exits] : report.profile.counts.others)
    line("", "other", exit_reason_name(report.profile.isa, reason), exits);
  if (report.profile.counts.unplaced != 0) line("", "other", "any", report.profile.counts.unplaced);
  return text;
}

}  // namespace kvmx
