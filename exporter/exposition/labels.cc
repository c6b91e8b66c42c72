// SPDX-License-Identifier: Apache-2.0
#include "exporter/exposition/labels.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "exporter/exposition/protobuf_wire.h"

namespace kvmx {
namespace {

bool is_escaped(char c) { return c == '\\' || c == '"' || c == '\n'; }

}  // namespace

void Labels::add(std::string_view name, std::string_view value) {
  add_field(name, value);
  begin(name);
  if (std::ranges::none_of(value, is_escaped)) {
    text_ += value;
  } else {
    for (const char c : value) {
      if (is_escaped(c)) text_ += '\\';
      text_ += c == '\n' ? 'n' : c;
    }
  }
  text_ += '"';
}

void Labels::add(std::string_view name, std::uint64_t value) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  add_field(name, {digits.data(), end});
  begin(name);
  text_.append(digits.data(), end);
  text_ += '"';
}

void Labels::count_since(std::uint64_t ns) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  std::array<char, 2 * (1 + protobuf::kMostVarint)> timestamp;
  created_.clear();
  if (ns == 0) return;
  char* at = protobuf::put_number(timestamp.data(), protobuf::kSeconds, ns / kSecond);
  at = protobuf::put_number(at, protobuf::kNanos, ns % kSecond);
  created_.assign(timestamp.data(), at);
}

void Labels::begin(std::string_view name) {
  // What is due is there already: add_field() came first.
  if (!text_.empty()) text_ += ',';
  text_ += name;
  text_ += "=\"";
}

void Labels::add_due() const {
  const Labels& more = *std::exchange(due_, nullptr);
  if (!text_.empty()) text_ += ',';
  text_ += more.text_;
  fields_ += more.fields_;
}

void Labels::add_field(std::string_view name, std::string_view value) {
  const std::size_t pair = protobuf::field_size(name) + protobuf::field_size(value);
  const std::size_t before = fields().size();
  fields_.resize(before + 1 + protobuf::varint_size(pair) + pair);
  char* at = protobuf::put_length(fields_.data() + before, protobuf::kLabel, pair);
  at = protobuf::put_field(at, protobuf::kLabelName, name);
  protobuf::put_field(at, protobuf::kLabelValue, value);
}

}  // namespace kvmx
