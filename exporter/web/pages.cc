// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/pages.h"

#include <string_view>

#include "exporter/base/version.h"

namespace kvmx {
namespace {

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

std::string probe_rows(const Snapshot& snapshot) {
  std::string rows;
  for (const ProbeState& probe : snapshot.probes)
    rows += "<tr><td>" + escape_html(probe.name) + "</td><td>" +
            (probe.attached ? "attached" : "not attached") + "</td></tr>\n";
  return rows;
}

}  // namespace

std::string landing_page(const Snapshot& snapshot, const std::string& telemetry_path) {
  const std::string path = escape_html(telemetry_path);
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
         "<title>KVM exit exporter</title>\n"
         "<style>body{font-family:sans-serif;margin:2em;max-width:50em}"
         "td{padding:.2em 2em .2em 0}</style></head>\n"
         "<body><h1>KVM exit exporter</h1>\n"
         "<p>VM exits, MSR accesses and timers of every KVM guest on this host. Version " +
         escape_html(kVersion) + ".</p>\n<ul><li><a href=\"" + path +
         "\">Metrics</a></li>\n<li><a href=\"/-/healthy\">Healthy?</a></li>\n"
         "<li><a href=\"/-/ready\">Ready?</a></li></ul>\n<h2>Kernel events</h2>\n<table>\n" +
         probe_rows(snapshot) + "</table>\n<p>" + std::to_string(snapshot.vms.size()) +
         " VMs seen.</p></body></html>\n";
}

}  // namespace kvmx
