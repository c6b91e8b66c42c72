// SPDX-License-Identifier: Apache-2.0
#include "exporter/top/keys.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace kvmx {
namespace {

using Kind = Key::Kind;

constexpr std::array<std::pair<std::string_view, Kind>, 18> kSequences = {{
    {"\x1b[A", Kind::up},
    {"\x1bOA", Kind::up},
    {"\x1b[B", Kind::down},
    {"\x1bOB", Kind::down},
    {"\x1b[C", Kind::right},
    {"\x1bOC", Kind::right},
    {"\x1b[D", Kind::left},
    {"\x1bOD", Kind::left},
    {"\x1b[5~", Kind::page_up},
    {"\x1b[6~", Kind::page_down},
    {"\x1b[H", Kind::home},
    {"\x1bOH", Kind::home},
    {"\x1b[1~", Kind::home},
    {"\x1b[7~", Kind::home},
    {"\x1b[F", Kind::end},
    {"\x1bOF", Kind::end},
    {"\x1b[4~", Kind::end},
    {"\x1b[8~", Kind::end},
}};

/// Length of the escape sequence at the beginning that is none of those above.
std::size_t unknown_sequence(std::string_view bytes) {
  if (bytes.size() < 2 || (bytes[1] != '[' && bytes[1] != 'O')) return 1;
  std::size_t end = 2;
  while (end < bytes.size() && bytes[end] >= 0x20 && bytes[end] < 0x40) ++end;
  return std::min(end + 1, bytes.size());
}

Key take_escape(std::string_view& bytes) {
  for (const auto& [sequence, kind] : kSequences) {
    if (!bytes.starts_with(sequence)) continue;
    bytes.remove_prefix(sequence.size());
    return {kind};
  }
  const std::size_t length = unknown_sequence(bytes);
  bytes.remove_prefix(length);
  return {length == 1 ? Kind::escape : Kind::other};
}

Key take_key(std::string_view& bytes) {
  const char first = bytes.front();
  if (first == '\x1b') return take_escape(bytes);
  if (first == '\r' || first == '\n' || first == '\x7f' || first == '\b') {
    bytes.remove_prefix(1);
    return {first == '\r' || first == '\n' ? Kind::enter : Kind::backspace};
  }
  if (static_cast<unsigned char>(first) < ' ') {
    bytes.remove_prefix(1);
    return {Kind::other};
  }
  std::size_t end = 1;
  while (end < bytes.size() && (static_cast<unsigned char>(bytes[end]) & 0xc0U) == 0x80) ++end;
  Key key{Kind::text, std::string(bytes.substr(0, end))};
  bytes.remove_prefix(end);
  return key;
}

/// To the column that is `step` further; from the last one to the first.
void sort_by_next(View& view, std::size_t step) {
  const std::vector<std::string> keys = sort_keys();
  const auto now = static_cast<std::size_t>(std::ranges::find(keys, view.sort) - keys.begin());
  view.sort = keys[(now + step) % keys.size()];
  view.first = 0;
}

void type(const Key& key, View& view) {
  constexpr std::size_t kLongest = 256;
  switch (key.kind) {
    case Kind::text:
      if (view.filter.size() < kLongest) view.filter += key.text;
      break;
    case Kind::backspace:
      while (!view.filter.empty() &&
             (static_cast<unsigned char>(view.filter.back()) & 0xc0U) == 0x80)
        view.filter.pop_back();
      if (!view.filter.empty()) view.filter.pop_back();
      break;
    case Kind::escape:
      view.filter.clear();
      view.typing = false;
      break;
    case Kind::enter:
      view.typing = false;
      break;
    default:
      break;
  }
  view.first = 0;
}

Wish press_letter(char letter, View& view) {
  switch (letter) {
    case 'q':
      return Wish::quit;
    case '/':
      view.typing = true;
      break;
    case 'r':
      view.reversed = !view.reversed;
      break;
    case 'f':
      view.all_findings = !view.all_findings;
      break;
    case '<':
      sort_by_next(view, sort_keys().size() - 1);
      break;
    case '>':
      sort_by_next(view, 1);
      break;
    case 'j':
      ++view.first;
      break;
    case 'k':
      view.first -= std::min<std::size_t>(view.first, 1);
      break;
    default:
      break;
  }
  return Wish::none;
}

void scroll(Kind kind, std::size_t page, View& view) {
  if (kind == Kind::up) view.first -= std::min<std::size_t>(view.first, 1);
  if (kind == Kind::down) ++view.first;
  if (kind == Kind::page_up) view.first -= std::min(view.first, page);
  if (kind == Kind::page_down) view.first += page;
  if (kind == Kind::home) view.first = 0;
  if (kind == Kind::end) view.first = std::numeric_limits<std::uint32_t>::max();
}

}  // namespace

std::vector<Key> decode_keys(std::string_view bytes) {
  std::vector<Key> keys;
  while (!bytes.empty()) keys.push_back(take_key(bytes));
  return keys;
}

Wish press(const Key& key, std::size_t page, View& view) {
  if (view.typing && key.kind <= Kind::backspace) {
    type(key, view);
    return Wish::none;
  }
  switch (key.kind) {
    case Kind::text:
      return press_letter(key.text[0], view);
    case Kind::left:
      sort_by_next(view, sort_keys().size() - 1);
      break;
    case Kind::right:
      sort_by_next(view, 1);
      break;
    case Kind::escape:
      view.filter.clear();
      break;
    default:
      scroll(key.kind, page, view);
  }
  return Wish::none;
}

}  // namespace kvmx
