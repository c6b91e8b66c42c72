// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/landing_page.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "exporter/base/version.h"

namespace kvmx {
namespace {

constexpr std::string_view kHead = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="5">
<title>KVM exit exporter</title>
<style>
:root { color-scheme: light dark; --line: #d4d8dd; --soft: #5b6570; --link: #0b57d0;
        --good: #1a7f37; --bad: #c62828; }
@media (prefers-color-scheme: dark) {
  :root { --line: #3a4047; --soft: #9aa4af; --link: #8ab4f8; --good: #57c26f; --bad: #ff7b72; }
  body { background: #15181c; color: #e4e7eb; }
}
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 52rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.05rem; margin: 2rem 0 .4rem; }
p { margin: .3rem 0; }
.soft { color: var(--soft); }
a { color: var(--link); margin-right: 1.2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem .3rem 0; text-align: left;
         overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 600; }
.number { font-variant-numeric: tabular-nums; text-align: right; white-space: nowrap; }
.good { color: var(--good); }
.bad { color: var(--bad); }
.finding { border-left: 3px solid var(--line); margin: .8rem 0; padding-left: .8rem;
           overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>KVM exit exporter</h1>
<p class="soft">VM exits, MSR accesses and timers of every KVM guest on this host.)";

std::string escape_html(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '&':
        escaped += "&amp;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

/// A whole number with its thousands apart: 66,300.
std::string grouped(double value) {
  std::string digits = std::to_string(std::llround(value));
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

std::string number_cell(const std::string& text) {
  return "<td class=\"number\">" + text + "</td>";
}

std::string busiest_table(const std::vector<VmRate>& busiest) {
  if (busiest.empty()) return "<p class=\"soft\">No VM has done anything yet.</p>\n";
  std::string table =
      "<table>\n<tr><th>VM</th><th class=\"number\">vCPUs</th><th class=\"number\">exits/s</th>"
      "<th class=\"number\">timer writes/s</th><th class=\"number\">halted</th></tr>\n";
  for (const VmRate& vm : busiest)
    table += "<tr><td>" + escape_html(vm.label) + "</td>" +
             number_cell(grouped(static_cast<double>(vm.vcpus))) + number_cell(grouped(vm.exits)) +
             number_cell(grouped(vm.timer_writes)) + number_cell(grouped(vm.halted * 100) + " %") +
             "</tr>\n";
  return table + "</table>\n";
}

/// For how long: "12 s", "5 min", "3 h".
std::string duration(double seconds) {
  constexpr double kMinute = 60;
  constexpr double kHour = 3600;
  if (seconds < 2 * kMinute) return grouped(seconds) + " s";
  if (seconds < 2 * kHour) return grouped(std::floor(seconds / kMinute)) + " min";
  return grouped(std::floor(seconds / kHour)) + " h";
}

std::string finding_block(const Vm& vm, const Finding& finding) {
  const FindingText text = describe(finding);
  std::string name(finding_name(finding.kind));
  std::ranges::replace(name, '_', ' ');
  const bool mild = finding.kind == FindingKind::idle_tick;
  return "<div class=\"finding\">\n<p><strong>" + escape_html(vm.label) +
         "</strong> <span class=\"" + (mild ? "soft" : "bad") + "\">" + name + ", for " +
         duration(finding.held_seconds) + "</span></p>\n<p>" + escape_html(text.seen) + ' ' +
         escape_html(text.cost) + "</p>\n<p>" + escape_html(text.likely) + ' ' +
         escape_html(text.first) + "</p>\n</div>\n";
}

/// What is wrong with guests: the worst kind first, the longest first of a kind.
std::string findings_section(const Snapshot& snapshot) {
  std::vector<std::pair<const Vm*, const Finding*>> all;
  bool watched = false;
  for (const Vm& vm : snapshot.vms) {
    if (vm.excluded) continue;
    watched = watched || vm.diagnosis.tick_hertz;
    for (const Finding& finding : vm.diagnosis.findings) all.emplace_back(&vm, &finding);
  }
  if (all.empty())
    return watched ? "<p class=\"good\">Nothing stands out.</p>\n"
                   : "<p class=\"soft\">No guest has been seen for ten seconds yet.</p>\n";
  std::ranges::stable_sort(all, {}, [](const auto& one) {
    return std::pair(one.second->kind, -one.second->held_seconds);
  });
  std::string section;
  for (const auto& [vm, finding] : all) section += finding_block(*vm, *finding);
  return section;
}

std::string probe_table(const Snapshot& snapshot) {
  std::string table =
      "<table>\n<tr><th>Kernel event</th><th>State</th><th class=\"number\">missed</th></tr>\n";
  for (const ProbeState& probe : snapshot.probes)
    table += "<tr><td>" + escape_html(probe.name) + "</td>" +
             (probe.attached ? "<td class=\"good\">counted</td>"
                             : "<td class=\"bad\">not counted</td>") +
             number_cell(probe.missed ? grouped(static_cast<double>(*probe.missed)) : "") +
             "</tr>\n";
  return table + "</table>\n";
}

std::string vms_seen(const Snapshot& snapshot) {
  const auto live = std::ranges::count(snapshot.vms, false, &Vm::ended);
  return std::to_string(live) + " VMs live; room for " + std::to_string(snapshot.slots.free) +
         " more vCPUs.";
}

}  // namespace

std::string landing_page(const Snapshot& snapshot, const std::vector<VmRate>& busiest,
                         const std::string& telemetry_path, const std::string& sandbox) {
  return std::string(kHead) + " Version " + escape_html(kVersion) + ", revision " +
         escape_html(kRevision) + ".</p>\n<p><a href=\"." + escape_html(telemetry_path) +
         "\">Metrics</a><a href=\"./-/healthy\">Healthy</a><a href=\"./-/ready\">Ready</a></p>\n"
         "<h2>What stands out</h2>\n" +
         findings_section(snapshot) + "<h2>Busiest VMs, over the last 10 s</h2>\n" +
         busiest_table(busiest) + "<p class=\"soft\">" + vms_seen(snapshot) +
         "</p>\n<h2>What is counted</h2>\n" + probe_table(snapshot) +
         "<p class=\"soft\">Sandbox: " + escape_html(sandbox) + ".</p>\n</body>\n</html>\n";
}

}  // namespace kvmx
