// SPDX-License-Identifier: Apache-2.0
#include "exporter/top/screen.h"

#include <algorithm>
#include <array>
#include <utility>

#include "exporter/summary/columns.h"
#include "exporter/top/display_width.h"

namespace kvmx {
namespace {

constexpr std::size_t kNarrowestName = 12;
constexpr std::size_t kGap = 2;

/// Columns that are left out first where the screen is narrow.
constexpr std::array<std::string_view, 6> kLeftOutFirst = {"running", "reason", "halted",
                                                           "msr",     "tick",   "finding"};

struct TableColumn {
  std::string_view key;
  bool number = false;
  std::vector<std::string> cells;  ///< the title first
  std::size_t width = 0;
};

void add_cell(TableColumn& column, std::string text) {
  column.width = std::max(column.width, display_width(text));
  column.cells.push_back(std::move(text));
}

std::vector<TableColumn> columns_of(const std::vector<const GuestSummary*>& guests, bool utf8) {
  std::vector<TableColumn> columns = {{"name", false, {}, kNarrowestName}};
  add_cell(columns[0], "guest");
  for (const GuestSummary* guest : guests) add_cell(columns[0], displayable(guest->label, utf8));
  for (const GuestColumn& described : guest_columns()) {
    TableColumn& column = columns.emplace_back(TableColumn{described.key, described.number, {}, 0});
    add_cell(column, std::string(described.title));
    for (const GuestSummary* guest : guests)
      add_cell(column, displayable(described.text(*guest), utf8));
  }
  return columns;
}

/// The width of all columns beside the name.
std::size_t others_width(const std::vector<TableColumn>& columns) {
  std::size_t width = 0;
  for (std::size_t i = 1; i < columns.size(); ++i) width += kGap + columns[i].width;
  return width;
}

void make_fit(std::vector<TableColumn>& columns, std::size_t width) {
  for (const std::string_view key : kLeftOutFirst) {
    if (kNarrowestName + others_width(columns) <= width) break;
    std::erase_if(columns, [key](const TableColumn& column) { return column.key == key; });
  }
  const std::size_t others = others_width(columns);
  const std::size_t left = width > others ? width - others : 0;
  columns[0].width = std::min(columns[0].width, std::max(kNarrowestName, left));
}

/// The lines of a screen, as many as there is room for.
class Lines {
 public:
  explicit Lines(ScreenSize size) : size_(size) {}

  void add(std::string_view text, Style style = Style::plain) {
    if (left() > 0) lines_.push_back({cut(text, size_.columns), style});
  }

  /// Wrapped, in `most` lines at most.
  void add_wrapped(std::string_view text, Style style, std::size_t most) {
    std::vector<std::string> wrapped = wrap(text, size_.columns);
    if (wrapped.size() > most) {
      wrapped.resize(most);
      if (!wrapped.empty()) wrapped.back() = cut(wrapped.back() + " ...", size_.columns);
    }
    for (const std::string& line : wrapped) add(line, style);
  }

  [[nodiscard]] std::size_t left() const {
    return size_.rows - std::min(size_.rows, lines_.size());
  }
  [[nodiscard]] std::vector<Line> take() { return std::move(lines_); }

 private:
  ScreenSize size_;
  std::vector<Line> lines_;
};

void add_findings(const HostSummary& host, const View& view, bool utf8, std::size_t room,
                  Lines& lines) {
  if (host.guests.empty()) return;
  const auto findings = chosen_findings(host, view);
  if (findings.empty()) {
    lines.add(
        host.watched() ? "Nothing stands out." : "No guest has been seen for ten seconds yet.",
        Style::soft);
    return;
  }
  const std::size_t end = lines.left() - std::min(room, lines.left());
  std::size_t shown = 0;
  for (const auto& [guest, finding] : findings) {
    // A heading alone says little: what does not fit is told by its number.
    const std::size_t left = lines.left() - std::min(lines.left(), end);
    const bool last = shown + 1 == findings.size();
    if (left < (last ? 2U : 3U)) break;
    ++shown;
    lines.add(displayable(guest->label, utf8) + ": " + displayable(finding_title(*finding), utf8) +
                  ", for " + duration(finding->held_seconds),
              finding->kind == finding_name(FindingKind::idle_tick) ? Style::strong : Style::bad);
    const std::string text = finding->text.seen + ' ' + finding->text.cost + ' ' +
                             finding->text.likely + ' ' + finding->text.first;
    lines.add_wrapped(displayable(text, utf8), Style::plain, left - (last ? 1 : 2));
  }
  if (const std::size_t more = findings.size() - shown; more > 0)
    lines.add("and " + std::to_string(more) + (more == 1 ? " more finding" : " more findings") +
                  " (f shows all)",
              Style::soft);
}

void add_table(const std::vector<const GuestSummary*>& guests, bool utf8, ScreenSize size,
               Screen& screen, Lines& lines, View& view) {
  screen.page = std::max<std::size_t>(lines.left(), 3) - 2;  // its header, and the last line
  view.first = std::min(view.first, guests.size() - std::min(guests.size(), screen.page));
  const std::size_t end = std::min(guests.size(), view.first + screen.page);
  const std::vector<const GuestSummary*> shown(
      guests.begin() + static_cast<std::ptrdiff_t>(view.first),
      guests.begin() + static_cast<std::ptrdiff_t>(end));
  Style style = Style::header;
  for (const std::string& line : table_lines(shown, utf8, size.columns)) {
    if (lines.left() < 2) break;
    lines.add(style == Style::header ? fit(line, size.columns, false) : line, style);
    style = Style::plain;
  }
  if (guests.empty() && lines.left() > 1)
    lines.add(view.filter.empty() ? "There is no guest." : "No guest has such a name.",
              Style::soft);
}

std::string last_line(const View& view, std::size_t shown, std::size_t all, bool utf8) {
  if (view.typing) return "filter: " + displayable(view.filter, utf8) + "_";
  std::string text = "q quit  <> sort: " + view.sort + (view.reversed ? " reversed" : "") +
                     "  r reverse  / filter";
  if (!view.filter.empty()) text += ": " + displayable(view.filter, utf8) + " (Esc: none)";
  text += "  f findings";
  if (shown < all) text += "  " + std::to_string(shown) + " of " + std::to_string(all) + " guests";
  return text;
}

}  // namespace

std::vector<std::string> wrap(std::string_view text, std::size_t width) {
  std::vector<std::string> lines;
  std::string line;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty()) continue;
    if (!line.empty() && display_width(line) + 1 + display_width(word) > width) {
      lines.push_back(std::move(line));
      line.clear();
    }
    line += (line.empty() ? "" : " ") + std::string(word);
  }
  if (!line.empty()) lines.push_back(std::move(line));
  for (std::string& each : lines) each = cut(each, width);
  return lines;
}

std::vector<std::string> table_lines(const std::vector<const GuestSummary*>& guests, bool utf8,
                                     std::size_t width) {
  std::vector<TableColumn> columns = columns_of(guests, utf8);
  make_fit(columns, width);
  std::vector<std::string> lines(guests.size() + 1);
  for (const TableColumn& column : columns) {
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (!lines[i].empty()) lines[i].append(kGap, ' ');
      lines[i] += fit(column.cells[i], column.width, column.number);
    }
  }
  for (std::string& line : lines) {
    line.erase(line.find_last_not_of(' ') + 1);
    line = cut(line, width);
  }
  return lines;
}

Screen lay_out(const HostSummary& host, const Surroundings& around, ScreenSize size, View& view) {
  Screen screen;
  Lines lines(size);
  lines.add("kvm_exit_exporter top: " + displayable(around.source, around.utf8), Style::strong);
  if (!around.error.empty()) lines.add(displayable(around.error, around.utf8), Style::bad);
  lines.add_wrapped(host_line(host), Style::plain, 2);
  lines.add_wrapped(exits_note(host.exit_counting), Style::soft, 1);
  const std::vector<const GuestSummary*> guests = chosen_guests(host, view);
  view.first = std::min(view.first, std::max<std::size_t>(guests.size(), 1) - 1);
  // Half of what is left is the table's, if it needs that much.
  const std::size_t table = std::min(guests.size() + 4, lines.left() / 2);
  const std::size_t room = lines.left() - (view.all_findings ? std::size_t{1} : table);
  if (lines.left() > table) add_findings(host, view, around.utf8, room, lines);
  if (lines.left() > 3) lines.add("");
  if (lines.left() > 2) add_table(guests, around.utf8, size, screen, lines, view);
  while (lines.left() > 1) lines.add("");
  lines.add(last_line(view, std::min(guests.size(), screen.page), guests.size(), around.utf8),
            Style::soft);
  screen.lines = lines.take();
  return screen;
}

}  // namespace kvmx
