// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/pages/html.h"

#include <algorithm>
#include <cmath>

#include "exporter/summary/columns.h"
#include "exporter/web/query.h"

namespace kvmx::html {
namespace {

constexpr std::string_view kStyle = R"(<style>
:root { color-scheme: light dark; --line: #d4d8dd; --soft: #5b6570; --link: #0b57d0;
        --good: #1a7f37; --bad: #c62828; --bar: #7aa5e8; }
@media (prefers-color-scheme: dark) {
  :root { --line: #3a4047; --soft: #9aa4af; --link: #8ab4f8; --good: #57c26f; --bad: #ff7b72;
          --bar: #46689c; }
  body { background: #15181c; color: #e4e7eb; }
}
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 2rem 0 .4rem; }
p { margin: .3rem 0; max-width: 52rem; }
.soft { color: var(--soft); }
a { color: var(--link); }
nav a { margin-right: 1.2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem 1rem .3rem 0; text-align: left;
         vertical-align: baseline; }
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
td { white-space: nowrap; }
td:first-child { min-width: 9ch; overflow-wrap: anywhere; white-space: normal; }
.bars td:last-child { width: 50%; }
th:last-child, td:last-child { padding-right: 0; }
.number { font-variant-numeric: tabular-nums; text-align: right; white-space: nowrap; }
.good { color: var(--good); }
.bad { color: var(--bad); }
.bar { background: var(--bar); border-radius: 2px; display: block; height: .7rem; min-width: 1px; }
.finding { border-left: 3px solid var(--line); margin: .8rem 0; padding-left: .8rem;
           overflow-wrap: anywhere; }
.finding.worst { border-color: var(--bad); }
</style>
)";

}  // namespace

std::string escape(std::string_view text) {
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
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string name(std::string_view text) { return "<bdi>" + escape(text) + "</bdi>"; }

std::string link_to(std::string_view label) { return "./vm?name=" + percent_encode(label); }

Response page(std::string_view title, const std::string& body, int status) {
  std::string text =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n"
      "<meta http-equiv=\"refresh\" content=\"5\">\n<title>" +
      escape(title) + "</title>\n" + std::string(kStyle) + "</head>\n<body>\n" + body +
      "</body>\n</html>\n";
  return {
      .status = status,
      .content_type = "text/html; charset=utf-8",
      .body = std::move(text),
      // Should a name ever get through as HTML, it can neither run nor fetch anything.
      .headers = {{"Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"}}};
}

Table::Table(std::span<const Header> headers) : headers_(headers) {
  html_ = headers.back().title.empty() ? "<div class=\"wide bars\"><table>\n<thead><tr>"
                                       : "<div class=\"wide\"><table>\n<thead><tr>";
  for (const Header& header : headers_)
    html_ += (header.number ? "<th class=\"number\">" : "<th>") + escape(header.title) + "</th>";
  html_ += "</tr></thead>\n<tbody>\n";
}

void Table::add(std::span<const std::string> cells) {
  html_ += "<tr>";
  for (std::size_t i = 0; i < cells.size(); ++i)
    html_ += (headers_[i].number ? "<td class=\"number\">" : "<td>") + cells[i] + "</td>";
  html_ += "</tr>\n";
}

std::string bar(double share) {
  const long long percent = std::llround(100 * std::clamp(share, 0.0, 1.0));
  return "<span class=\"bar\" style=\"width: " + std::to_string(percent) + "%\"></span>";
}

std::string finding(const std::string& heading, const FindingSummary& finding) {
  const bool mild = finding.kind == finding_name(FindingKind::idle_tick);
  return std::string("<div class=\"finding") + (mild ? "" : " worst") + "\">\n<p>" + heading +
         "<strong class=\"" + (mild ? "soft" : "bad") + "\">" + escape(finding_title(finding)) +
         "</strong> <span class=\"soft\">for " + duration(finding.held_seconds) +
         "</span></p>\n<p>" + escape(finding.text.seen) + ' ' + escape(finding.text.cost) +
         "</p>\n<p>" + escape(finding.text.likely) + ' ' + escape(finding.text.first) +
         "</p>\n</div>\n";
}

}  // namespace kvmx::html
