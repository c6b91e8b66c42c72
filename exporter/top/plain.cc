// SPDX-License-Identifier: Apache-2.0
#include "exporter/top/plain.h"

#include <limits>

#include "exporter/summary/columns.h"
#include "exporter/top/display_width.h"
#include "exporter/top/screen.h"

namespace kvmx {

std::string plain_text(const HostSummary& host, const View& view, bool utf8) {
  std::string text = host_line(host) + '\n';
  if (const std::string_view note = exits_note(host.exit_counting); !note.empty())
    text += std::string(note) + '\n';
  if (host.guests.empty()) return text + "There is no guest.\n";
  text += '\n';
  const auto findings = chosen_findings(host, view);
  for (const auto& [guest, finding] : findings)
    text += displayable(guest->label, utf8) + ": " + displayable(finding_title(*finding), utf8) +
            ", for " + duration(finding->held_seconds) + ". " +
            displayable(finding->text.seen + ' ' + finding->text.cost + ' ' + finding->text.likely +
                            ' ' + finding->text.first,
                        utf8) +
            '\n';
  if (findings.empty())
    text +=
        host.watched() ? "Nothing stands out.\n" : "No guest has been seen for ten seconds yet.\n";
  text += '\n';
  const auto guests = chosen_guests(host, view);
  if (guests.empty()) return text + "No guest has such a name.\n";
  constexpr std::size_t kAnyWidth = std::numeric_limits<std::uint32_t>::max();
  for (const std::string& line : table_lines(guests, utf8, kAnyWidth)) text += line + '\n';
  return text;
}

}  // namespace kvmx
