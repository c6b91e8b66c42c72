// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/tracepoint_format.h"

#include <algorithm>
#include <charconv>

namespace kvmx {
namespace {

/// The text between `key` and the next ';' of a line.
std::optional<std::string_view> attribute(std::string_view line, std::string_view key) {
  const std::size_t at = line.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  const std::size_t begin = at + key.size();
  const std::size_t end = line.find(';', begin);
  if (end == std::string_view::npos) return std::nullopt;
  return line.substr(begin, end - begin);
}

std::optional<std::uint32_t> number(std::optional<std::string_view> text) {
  std::uint32_t value = 0;
  if (!text) return std::nullopt;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return value;
}

/// The name in a C declaration: its last word, an array's bounds left off.
std::string_view declared_name(std::string_view declaration) {
  if (declaration.ends_with(']')) declaration = declaration.substr(0, declaration.rfind('['));
  const std::size_t space = declaration.find_last_of(" \t*");
  return space == std::string_view::npos ? declaration : declaration.substr(space + 1);
}

}  // namespace

TracepointFields parse_tracepoint_format(std::string_view text) {
  TracepointFields fields;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const auto declaration = attribute(line, "field:");
    const auto offset = number(attribute(line, "offset:"));
    const auto size = number(attribute(line, "size:"));
    if (!declaration || !offset || !size) continue;
    const std::string_view name = declared_name(*declaration);
    if (!name.empty()) fields.emplace(name, FieldPlace{*offset, *size});
  }
  return fields;
}

std::optional<std::uint32_t> find_offset(const TracepointFields& fields, std::string_view name,
                                         std::uint32_t size) {
  const auto found = fields.find(name);
  if (found == fields.end() || found->second.size != size) return std::nullopt;
  return found->second.offset;
}

}  // namespace kvmx
