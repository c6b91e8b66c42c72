// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// Text in a terminal, where a character takes no, one or two columns. Text is UTF-8.
namespace kvmx {

/// How many columns text takes.
std::size_t display_width(std::string_view text);

/// Text as it may be shown: characters that would write from right to left, or that a terminal does
/// not show, are '?'; and if the terminal does not take UTF-8, all that are not ASCII.
std::string displayable(std::string_view text, bool utf8);

/// The beginning of a text that fits into so many columns; a '+' at its end says that it is cut.
std::string cut(std::string_view text, std::size_t width);

/// The same, filled up with blanks on the right, or on the left if `right`.
std::string fit(std::string_view text, std::size_t width, bool right);

}  // namespace kvmx
