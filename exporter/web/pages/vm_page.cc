// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/pages/vm_page.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "exporter/diagnosis/breakdown.h"
#include "exporter/summary/columns.h"
#include "exporter/summary/summary.h"
#include "exporter/web/pages/breakdown_tables.h"
#include "exporter/web/pages/html.h"
#include "exporter/web/query.h"

namespace kvmx {
namespace {

constexpr std::string_view kHome = "<nav><a href=\"./\">All guests of this host</a></nav>\n";

const Vm* find_vm(const Snapshot& snapshot, std::string_view label) {
  const auto found = std::ranges::find_if(
      snapshot.vms, [label](const Vm& vm) { return !vm.excluded && vm.label == label; });
  return found == snapshot.vms.end() ? nullptr : &*found;
}

Response not_found(std::string_view label) {
  return html::page("No such guest",
                    "<h1>No such guest</h1>\n" + std::string(kHome) + "<p>No guest called " +
                        html::name(label) +
                        " is shown here. It never ran, it ended longer than --vm.linger ago, or "
                        "--vm.include and --vm.exclude leave it out.</p>\n",
                    404);
}

/// Who it is: what kvm_vm_info says.
std::string identity_line(const Vm& vm) {
  const VmIdentity& identity = vm.identity;
  const std::pair<std::string_view, std::string> known[] = {
      {"", identity.display_name},
      {"VMM ", identity.vmm},
      {"pid ", std::to_string(vm.counts.key.tgid)},
      {"uuid ", identity.uuid},
      {"domain ", identity.domain},
      {"id ", identity.id},
      {"namespace ", identity.kube_namespace},
      {"pod ", identity.pod},
      {"project ", identity.project},
      {"user ", identity.user}};
  std::string line;
  for (const auto& [what, value] : known)
    if (!value.empty()) line += (line.empty() ? "" : " · ") + std::string(what) + html::name(value);
  return "<p class=\"soft\">" + line + "</p>\n";
}

std::string numbers_table(const GuestSummary& guest) {
  std::vector<html::Header> headers;
  std::vector<std::string> cells;
  for (const GuestColumn& column : guest_columns()) {
    if (column.key == "finding") continue;  // it stands above
    headers.push_back({column.title, false});
    cells.push_back(html::escape(column.text(guest)));
  }
  html::Table table(headers);
  table.add(cells);
  return table.end();
}

std::string live_sections(const Vm& vm, const HostSummary& host, const GuestSummary& guest,
                          Isa isa) {
  std::string body = "<h2>What stands out</h2>\n";
  for (const FindingSummary& finding : guest.findings) body += html::finding("", finding);
  if (!guest.findings.empty() && host.exit_counting == ExitCounting::counted)
    body += "<p class=\"soft\">On the host, <code>kvm_exit_exporter profile " +
            std::to_string(vm.counts.key.tgid) +
            "</code> shows which of its code makes it exit.</p>\n";
  if (!vm.diagnosis.breakdown)
    return body + "<p class=\"soft\">This guest has not been seen for ten seconds yet.</p>\n";
  const VmBreakdown& breakdown = *vm.diagnosis.breakdown;
  if (guest.findings.empty()) body += "<p class=\"good\">Nothing stands out.</p>\n";
  body += "<h2>Over the last 10 s</h2>\n" + numbers_table(guest) + "<h2>Exits by reason</h2>\n";
  const std::string_view note = exits_note(host.exit_counting);
  body += note.empty() ? exits_table(breakdown, isa)
                       : "<p class=\"soft\">" + html::escape(note) + "</p>\n";
  return body + "<h2>MSR accesses by register</h2>\n" + msrs_table(breakdown) +
         "<h2>Time between timer programmings</h2>\n" + intervals_table(breakdown) +
         "<h2>Returns to the VMM by reason</h2>\n" + userspace_exits_table(breakdown) +
         "<h2>Ports and pages of devices</h2>\n" + places_table(breakdown) +
         "<h2>Interrupt lines</h2>\n" + lines_table(breakdown) + "<h2>CPU time</h2>\n" +
         cpu_table(breakdown) + "<h2>vCPUs</h2>\n" + vcpus_table(breakdown, host.exit_counting);
}

}  // namespace

Response vm_page(const Snapshot& snapshot, const Request& request) {
  const std::vector<std::string> names = query_values(request.query, "name");
  if (names.empty() || names.front().empty())
    return {.status = 400, .body = "name a guest by its label vm: /vm?name=LABEL\n"};
  const std::string& label = names.front();
  const Vm* const vm = find_vm(snapshot, label);
  if (!vm) return not_found(label);
  std::string body =
      "<h1>" + html::name(label) + "</h1>\n" + identity_line(*vm) + std::string(kHome);
  if (vm->ended()) {
    body += "<p>This guest has ended. Its counts stay in the metrics for --vm.linger.</p>\n";
  } else {
    HostSummary host;
    host.exit_counting = exit_counting(snapshot);
    const Isa isa = vm->counts.isa == Isa::other ? snapshot.host.isa : vm->counts.isa;
    const bool counted = host.exit_counting == ExitCounting::counted;
    body += live_sections(*vm, host, summarize(*vm, snapshot.host.isa, counted), isa);
  }
  return html::page(label, body);
}

}  // namespace kvmx
