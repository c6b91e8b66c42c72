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

/// A bound as Prometheus's own libraries write it: exact, with an exponent below 0.0001.
std::string text_of(double bound) {
  std::array<char, 32> text;
  const auto format = bound < 1e-4 ? std::chars_format::scientific : std::chars_format::fixed;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), bound, format).ptr;
  return {text.data(), end};
}

std::string_view type_suffix(MetricType type) {
  return type == MetricType::counter ? "_total" : "";
}

std::string_view type_name(MetricType type) {
  switch (type) {
    case MetricType::counter:
      return "counter";
    case MetricType::gauge:
      return "gauge";
    case MetricType::histogram:
      break;
  }
  return "histogram";
}

}  // namespace

void TextWriter::begin(const Family& family) {
  family_ = family;
  header_due_ = true;
}

void TextWriter::write_name(std::string_view suffix) {
  out_ += family_.name;
  out_ += suffix;
}

void TextWriter::write_header() {
  header_due_ = false;
  const std::string_view suffix = type_suffix(family_.type);
  out_ += "# HELP ";
  write_name(suffix);
  out_ += ' ';
  out_ += family_.help;
  out_ += "\n# TYPE ";
  write_name(suffix);
  out_ += ' ';
  out_ += type_name(family_.type);
  out_ += '\n';
}

void TextWriter::write_series(const Labels& labels, std::string_view suffix, std::string_view le) {
  if (header_due_) write_header();
  ++series_;
  write_name(suffix);
  if (!labels.text().empty() || !le.empty()) {
    out_ += '{';
    out_ += labels.text();
    if (!le.empty()) {
      if (!labels.text().empty()) out_ += ',';
      out_ += "le=\"";
      out_ += le;
      out_ += '"';
    }
    out_ += '}';
  }
  out_ += ' ';
}

void TextWriter::write_value(std::uint64_t value) {
  append_number(out_, value);
  out_ += '\n';
}

void TextWriter::write_value(Nanoseconds value) {
  append_number(out_, value.count / kNsPerSecond);
  append_fraction(out_, value.count % kNsPerSecond);
  out_ += '\n';
}

void TextWriter::sample(const Labels& labels, std::uint64_t value) {
  write_series(labels, type_suffix(family_.type));
  write_value(value);
}

void TextWriter::sample(const Labels& labels, Nanoseconds value) {
  write_series(labels, type_suffix(family_.type));
  write_value(value);
}

void TextWriter::histogram(const Labels& labels, std::span<const double> bounds_seconds,
                           std::span<const std::uint64_t> buckets, Nanoseconds sum) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    count += buckets[i];
    write_series(labels, "_bucket",
                 i < bounds_seconds.size() ? text_of(bounds_seconds[i]) : "+Inf");
    write_value(count);
  }
  write_series(labels, "_sum");
  write_value(sum);
  write_series(labels, "_count");
  write_value(count);
}

}  // namespace kvmx
