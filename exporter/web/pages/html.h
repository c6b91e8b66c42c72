// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "exporter/summary/summary.h"
#include "exporter/web/http.h"

/// What all pages are made of. HTML that needs no script, light or dark as the reader's system is.
/// Links are relative, so that they work behind a proxy that serves the exporter under a path of
/// its own.
namespace kvmx::html {

/// Text that is part of a page, or of an attribute in double quotes.
std::string escape(std::string_view text);

/// A name from outside within a line: what it says about its direction of writing ends with it.
std::string name(std::string_view text);

/// Where the page of a guest is, as the value of an attribute.
std::string link_to(std::string_view label);

/// A whole page that is read anew every 5 s, as the answer to a request. `title` is text, `body`
/// HTML.
Response page(std::string_view title, const std::string& body, int status = 200);

struct Header {
  std::string_view title;
  bool number = false;  ///< its cells are aligned to the right
};

/// A table, which scrolls to the side where the screen is too narrow for it. It is made row by row.
/// A last column without a title is for bars: it takes half of the width.
class Table {
 public:
  explicit Table(std::span<const Header> headers);

  /// Cells are HTML, as many as there are headers.
  void add(std::span<const std::string> cells);

  [[nodiscard]] std::string end() const { return html_ + "</tbody>\n</table></div>\n"; }

 private:
  std::span<const Header> headers_;
  std::string html_;
};

/// A bar as long as `share` of its cell, 0 to 1.
std::string bar(double share);

/// One finding: a heading, which is HTML, and its sentences.
std::string finding(const std::string& heading, const FindingSummary& finding);

}  // namespace kvmx::html
