// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/pages/landing_page.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <vector>

#include "exporter/base/version.h"
#include "exporter/diagnosis/words.h"
#include "exporter/kernel/vcpu_functions.h"
#include "exporter/summary/columns.h"
#include "exporter/summary/summary.h"
#include "exporter/web/pages/html.h"

namespace kvmx {
namespace {

using words::grouped;

/// More in full would hide the table below; they are listed by name.
constexpr std::size_t kFindingsInFull = 20;
/// Guests in the table: those that cost most.
constexpr std::size_t kGuests = 200;

std::string count(std::size_t number) { return grouped(static_cast<double>(number)); }

std::string linked(const GuestSummary& guest) {
  return "<a href=\"" + html::link_to(guest.label) + "\">" + html::name(guest.label) + "</a>";
}

std::string findings_section(const HostSummary& host) {
  const auto all = worst_first(host);
  if (all.empty())
    return host.watched() ? "<p class=\"good\">Nothing stands out.</p>\n"
                          : "<p class=\"soft\">No guest has been seen for ten seconds yet.</p>\n";
  std::string section;
  std::size_t shown = 0;
  std::set<const GuestSummary*> others;
  for (const auto& [guest, finding] : all) {
    if (shown++ < kFindingsInFull)
      section += html::finding("<strong>" + linked(*guest) + "</strong> ", *finding);
    else
      others.insert(guest);
  }
  if (all.size() <= kFindingsInFull) return section;
  section += "<p>" + count(all.size() - kFindingsInFull) + " more findings, of";
  for (const GuestSummary* guest : others) section += ' ' + linked(*guest);
  return section + ".</p>\n";
}

std::string guests_table(const HostSummary& host) {
  if (host.guests.empty()) return "<p class=\"soft\">There is no guest.</p>\n";
  std::vector<html::Header> headers = {{"guest"}};
  for (const GuestColumn& column : guest_columns())
    headers.push_back({column.title, column.number});
  html::Table table(headers);
  const std::size_t shown = std::min(kGuests, host.guests.size());
  for (std::size_t i = 0; i < shown; ++i) {
    const GuestSummary& guest = host.guests[i];
    std::vector<std::string> cells = {linked(guest)};
    for (const GuestColumn& column : guest_columns())
      cells.push_back(html::escape(column.text(guest)));
    table.add(cells);
  }
  std::string text = table.end();
  if (shown < host.guests.size())
    text +=
        "<p class=\"soft\">" + count(host.guests.size() - shown) + " more, which cost less.</p>\n";
  return text;
}

/// `counts`: some event is counted.
std::string probe_text(const ProbeState& probe, bool counts, ExitCounting exits) {
  if (probe.attached) {
    const bool silent = exits == ExitCounting::not_raised && probe.name == "kvm_exit";
    return silent ? "<span class=\"soft\">not raised by this KVM</span>"
                  : "<span class=\"good\">counted</span>";
  }
  // Nothing is missing: what this function would tell is found out by other means.
  if (counts && is_vcpu_function(probe.name))
    return "<span class=\"soft\">not told by this kernel: found out once a second</span>";
  return "<span class=\"bad\">not counted</span>";
}

std::string probe_table(const Snapshot& snapshot, ExitCounting exits) {
  constexpr html::Header kHeaders[] = {{"kernel event"}, {"state"}, {"missed", true}};
  html::Table table(kHeaders);
  const bool counts = std::ranges::any_of(snapshot.probes, &ProbeState::attached);
  for (const ProbeState& probe : snapshot.probes) {
    const std::string cells[] = {html::escape(probe.name), probe_text(probe, counts, exits),
                                 probe.missed ? grouped(static_cast<double>(*probe.missed)) : ""};
    table.add(cells);
  }
  return table.end();
}

}  // namespace

Response landing_page(const Snapshot& snapshot, const std::string& telemetry_path,
                      const std::string& sandbox) {
  const HostSummary host = summarize(snapshot);
  std::string body =
      "<h1>KVM exit exporter</h1>\n<p class=\"soft\">What each KVM guest costs this host. "
      "Version " +
      html::escape(kVersion) + ", revision " + html::escape(kRevision) + ".</p>\n<nav><a href=\"." +
      html::escape(telemetry_path) +
      "\">Metrics</a><a href=\"./-/healthy\">Healthy</a><a "
      "href=\"./-/ready\">Ready</a></nav>\n<p>" +
      html::escape(host_line(host)) + "</p>\n";
  if (const std::string_view note = exits_note(host.exit_counting); !note.empty())
    body += "<p class=\"soft\">" + html::escape(note) + "</p>\n";
  body += "<h2>What stands out</h2>\n" + findings_section(host) +
          "<h2>Guests by cost, over the last 10 s</h2>\n" + guests_table(host) +
          "<p class=\"soft\">Those with most exits and wake-ups come first. Room for " +
          count(snapshot.slots.free) + " more vCPUs.</p>\n<h2>What is counted</h2>\n" +
          probe_table(snapshot, host.exit_counting) +
          "<p class=\"soft\">Sandbox: " + html::escape(sandbox) + ".</p>\n";
  return html::page("KVM exit exporter", body);
}

}  // namespace kvmx
