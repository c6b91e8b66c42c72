// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "exporter/summary/summary.h"
#include "exporter/top/view.h"

namespace kvmx {

enum class Style : std::uint8_t { plain, strong, soft, bad, header };

/// A line of the screen, of text that may be shown, no wider than the screen.
struct Line {
  std::string text;
  Style style = Style::plain;

  bool operator==(const Line&) const = default;
};

struct ScreenSize {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

/// What is shown beside the summary.
struct Surroundings {
  std::string source;  ///< where the numbers come from
  std::string error;   ///< why they are old; empty: they are not
  bool utf8 = true;    ///< what the terminal takes
};

/// One picture: at most size.rows lines.
struct Screen {
  std::vector<Line> lines;
  std::size_t page = 1;  ///< guests that the table has room for
};

/// Lays out a picture. Columns that matter least are left out where it is narrow, and findings are
/// cut short where it is low. Scrolls `view` back where it went past the last guest.
Screen lay_out(const HostSummary& host, const Surroundings& around, ScreenSize size, View& view);

/// Text in lines of at most `width` columns, broken at blanks where there are any.
std::vector<std::string> wrap(std::string_view text, std::size_t width);

/// A table's columns as they fit: titles and cells are aligned alike.
std::vector<std::string> table_lines(const std::vector<const GuestSummary*>& guests, bool utf8,
                                     std::size_t width);

}  // namespace kvmx
