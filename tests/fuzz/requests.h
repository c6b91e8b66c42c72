// SPDX-License-Identifier: Apache-2.0
// How many requests a text is, read as strictly as RFC 9112 has it.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <optional>
#include <string_view>

namespace kvmx {

/// Takes a line off the front of a text, without its end; nothing if it has none.
inline std::optional<std::string_view> take_sent_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  if (end == text.npos) return std::nullopt;
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

inline bool same_word(std::string_view one, std::string_view other) {
  return std::ranges::equal(one, other, [](unsigned char a, unsigned char b) {
    return std::tolower(a) == std::tolower(b);
  });
}

/// The length of the body after a head, which is taken off; nothing if that can be read in two
/// ways.
inline std::optional<std::size_t> take_head(std::string_view& text) {
  std::optional<std::string_view> length;
  std::optional<std::string_view> line = take_sent_line(text);
  if (!line || line->find(" HTTP/") == line->npos) return std::nullopt;
  for (;;) {
    const bool newline_alone = text.data()[-2] != '\r';
    line = take_sent_line(text);
    if (!line) return std::nullopt;
    // Some take it for the end, and some look for one like that of the line before.
    if (line->empty() && newline_alone && text.data()[-2] == '\r') return std::nullopt;
    if (line->empty()) break;
    const std::size_t colon = line->find(':');
    if (colon == line->npos || line->find('\r') != line->npos) return std::nullopt;
    const std::string_view name = line->substr(0, colon);
    const bool is_name =
        std::ranges::all_of(name, [](unsigned char c) { return c > ' ' && c < 0x7f; });
    if (name.empty() || !is_name || same_word(name, "Transfer-Encoding")) return std::nullopt;
    if (!same_word(name, "Content-Length")) continue;
    std::string_view value = line->substr(colon + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    while (value.ends_with(' ')) value.remove_suffix(1);
    if (length && *length != value) return std::nullopt;
    length = value;
  }
  std::size_t size = 0;
  for (const char c : length.value_or("0")) {
    if (c < '0' || c > '9' || size > text.size()) return std::nullopt;
    size = 10 * size + static_cast<std::size_t>(c - '0');
  }
  return size;
}

/// How many answers there may be at most to what was sent: one for each request, up to the first
/// one of which it is not clear where it ends. Whatever follows that is no request.
inline std::size_t most_answers(std::string_view sent) {
  for (std::size_t count = 0;; ++count) {
    if (sent.empty()) return count;
    while (sent.starts_with('\n') || sent.starts_with("\r\n"))
      sent.remove_prefix(sent.find('\n') + 1);
    const std::optional<std::size_t> body = take_head(sent);
    if (!body || *body > sent.size()) return count + 1;
    sent.remove_prefix(*body);
  }
}

}  // namespace kvmx
