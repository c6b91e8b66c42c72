// SPDX-License-Identifier: Apache-2.0
// A page in text format 0.0.4 or OpenMetrics, read as a strict reader would.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "tests/fuzz/require.h"

namespace kvmx {

/// A sample's name and labels, as written; and its value.
using Series = std::unordered_map<std::string, long double>;

/// Steps over `{name="value",...}`, if there is one. Requires that values can be read back.
inline void skip_labels(std::string_view& text) {
  if (!text.starts_with('{')) return;
  text.remove_prefix(1);
  while (true) {
    const std::size_t name = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_");
    require(name != 0 && text.substr(name, 2) == "=\"", "a label has a name and a value");
    text.remove_prefix(name + 2);
    std::string value;
    for (; !text.starts_with('"'); text.remove_prefix(1)) {
      require(!text.empty(), "a label's value ends");
      if (text.front() == '\\') {
        text.remove_prefix(1);
        require(!text.empty() && std::string_view("\\\"n").find(text.front()) != text.npos,
                "nothing but a backslash, a quote and a line's end are escaped");
      }
      value += text.front();
    }
    require_label_value(value);
    text.remove_prefix(1);
    const bool more = text.starts_with(',');
    require(more || text.starts_with('}'), "labels are parted by commas");
    text.remove_prefix(1);
    if (!more) return;
  }
}

/// Reads a sample's line into `series`. Requires that it belongs to `family` and is there once.
inline void read_sample(std::string_view line, std::string_view family, Series& series) {
  require(!family.empty() && line.starts_with(family), "a sample follows its family");
  std::string_view rest = line.substr(line.find_first_of("{ "));
  skip_labels(rest);
  require(rest.starts_with(' '), "a value follows its labels");
  const std::string value(rest.substr(1));
  char* end = nullptr;
  const long double number = std::strtold(value.c_str(), &end);
  require(!value.empty() && *end == '\0' && number == number, "a value is a number");
  const bool fresh = series.emplace(line.substr(0, line.size() - rest.size()), number).second;
  if (!fresh) std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
  require(fresh, "no series is there twice");
}

/// All samples of a page.
inline Series read_page(std::string_view page) {
  Series series;
  std::set<std::string, std::less<>> families;
  std::string_view family;
  require(page.empty() || page.back() == '\n', "a page ends with a line");
  while (!page.empty()) {
    const std::string_view line = page.substr(0, page.find('\n'));
    page.remove_prefix(line.size() + 1);
    if (line == "# EOF") {
      require(page.empty(), "nothing follows the end");
    } else if (line.starts_with("# TYPE ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      require(families.emplace(family).second, "samples of a family are together");
    } else if (!line.starts_with("# ")) {
      read_sample(line, family, series);
    }
  }
  return series;
}

/// Whether this is a sample of a counter or a histogram.
inline bool is_counter(std::string_view series) {
  const std::string_view name = series.substr(0, series.find('{'));
  return name.ends_with("_total") || name.ends_with("_bucket") || name.ends_with("_count") ||
         name.ends_with("_sum");
}

}  // namespace kvmx
