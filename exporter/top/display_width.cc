// SPDX-License-Identifier: Apache-2.0
#include "exporter/top/display_width.h"

#include <wchar.h>

#include <clocale>
#include <cstdint>

namespace kvmx {
namespace {

struct Character {
  char32_t code = 0;
  std::size_t bytes = 1;
};

/// The first character of valid UTF-8; a byte that begins none is one by itself.
Character first_of(std::string_view text) {
  const auto lead = static_cast<std::uint8_t>(text[0]);
  const std::size_t bytes = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (bytes > text.size() || (lead >= 0x80 && bytes == 1)) return {0xfffd, 1};
  if (bytes == 1) return {lead, 1};
  char32_t code = lead & (0x7fU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i)
    code = code << 6U | (static_cast<std::uint8_t>(text[i]) & 0x3fU);
  return {code, bytes};
}

/// The C library's tables, whatever the locale of the user is: it has C.UTF-8 built in.
int columns_of(char32_t code) {
  static const locale_t utf8 = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  const locale_t before = utf8 ? ::uselocale(utf8) : nullptr;
  const int columns = ::wcwidth(static_cast<wchar_t>(code));
  if (before) ::uselocale(before);
  return columns;
}

bool turns_direction(char32_t code) {
  return code == 0x200e || code == 0x200f || code == 0x061c || (code >= 0x202a && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069);
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const Character character = first_of(text);
    const int columns = character.code < 0x80 ? 1 : columns_of(character.code);
    width += columns > 0 ? static_cast<std::size_t>(columns) : 0;
    text.remove_prefix(character.bytes);
  }
  return width;
}

std::string displayable(std::string_view text, bool utf8) {
  std::string shown;
  while (!text.empty()) {
    const Character character = first_of(text);
    const bool ascii = character.code >= ' ' && character.code < 0x7f;
    const bool broken = character.code == 0xfffd && character.bytes == 1;
    const bool other = character.code >= 0x80 && utf8 && !broken &&
                       !turns_direction(character.code) && columns_of(character.code) >= 0;
    if (ascii || other)
      shown += text.substr(0, character.bytes);
    else
      shown += '?';
    text.remove_prefix(character.bytes);
  }
  return shown;
}

std::string cut(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  if (width == 0) return "";
  std::size_t used = 0;
  std::size_t end = 0;
  while (end < text.size()) {
    const Character character = first_of(text.substr(end));
    const std::size_t columns = display_width(text.substr(end, character.bytes));
    if (used + columns > width - 1) break;
    used += columns;
    end += character.bytes;
  }
  return std::string(text.substr(0, end)) + '+';
}

std::string fit(std::string_view text, std::size_t width, bool right) {
  const std::string shown = cut(text, width);
  const std::string blanks(width - display_width(shown), ' ');
  return right ? blanks + shown : shown + blanks;
}

}  // namespace kvmx
