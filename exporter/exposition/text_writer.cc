// SPDX-License-Identifier: Apache-2.0
#include "exporter/exposition/text_writer.h"

#include <array>
#include <charconv>

namespace kvmx {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

void append_number(std::string& out, std::uint64_t value) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

/// The decimals of a number of seconds, trailing zeros left off; nothing for a whole number.
void append_fraction(std::string& out, std::uint64_t ns) {
  if (ns == 0) return;
  std::array<char, 10> text{'.', '0', '0', '0', '0', '0', '0', '0', '0', '0'};
  for (std::size_t place = 9; ns != 0; --place, ns /= 10)
    text[place] = static_cast<char>('0' + ns % 10);
  std::size_t length = text.size();
  while (text[length - 1] == '0') --length;
  out.append(text.data(), length);
}

}  // namespace

void TextWriter::begin(const Family& family) {
  family_ = family;
  header_due_ = true;
}

void TextWriter::write_name() {
  out_ += family_.name;
  if (family_.type == MetricType::counter) out_ += "_total";
}

void TextWriter::write_header() {
  header_due_ = false;
  out_ += "# HELP ";
  write_name();
  out_ += ' ';
  out_ += family_.help;
  out_ += "\n# TYPE ";
  write_name();
  out_ += family_.type == MetricType::counter ? " counter\n" : " gauge\n";
}

void TextWriter::write_series(const Labels& labels) {
  if (header_due_) write_header();
  ++series_;
  write_name();
  if (!labels.text().empty()) {
    out_ += '{';
    out_ += labels.text();
    out_ += '}';
  }
  out_ += ' ';
}

void TextWriter::sample(const Labels& labels, std::uint64_t value) {
  write_series(labels);
  append_number(out_, value);
  out_ += '\n';
}

void TextWriter::sample(const Labels& labels, Nanoseconds value) {
  write_series(labels);
  append_number(out_, value.count / kNsPerSecond);
  append_fraction(out_, value.count % kNsPerSecond);
  out_ += '\n';
}

}  // namespace kvmx
