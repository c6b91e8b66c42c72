// SPDX-License-Identifier: Apache-2.0
#include "exporter/exposition/text_writer.h"

#include <charconv>
#include <cmath>
#include <cstring>

namespace kvmx {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

/// No value is longer than this.
constexpr std::size_t kValueSize = 32;

char* put(char* at, std::string_view text) {
  std::memcpy(at, text.data(), text.size());
  return at + text.size();
}

char* put(char* at, std::uint64_t value) { return std::to_chars(at, at + kValueSize, value).ptr; }

/// Trailing zeros are left off, and all decimals of a whole number of seconds.
char* put(char* at, Nanoseconds value) {
  at = put(at, value.count / kNsPerSecond);
  std::uint64_t ns = value.count % kNsPerSecond;
  if (ns == 0) return at;
  std::size_t places = 9;
  for (; ns % 10 == 0; ns /= 10) --places;
  *at = '.';
  for (std::size_t place = places; place > 0; --place, ns /= 10)
    at[place] = static_cast<char>('0' + ns % 10);
  return at + places + 1;
}

/// As Go and so Prometheus's own libraries write it, but whole numbers without an exponent.
char* put(char* at, double value) {
  constexpr double kExact = 1ULL << 53U;
  if (std::isnan(value)) return put(at, "NaN");
  if (std::isinf(value)) return put(at, value > 0 ? "+Inf" : "-Inf");
  if (value == std::trunc(value) && std::abs(value) < kExact)
    return std::to_chars(at, at + kValueSize, static_cast<std::int64_t>(value)).ptr;
  return std::to_chars(at, at + kValueSize, value).ptr;
}

std::string_view type_name(MetricType type, Format format) {
  switch (type) {
    case MetricType::counter:
      return "counter";
    case MetricType::histogram:
      return "histogram";
    case MetricType::info:
      if (format == Format::openmetrics) return "info";
      break;
    case MetricType::gauge:
      break;
  }
  return "gauge";
}

/// A unit must be told where a name ends in one.
std::string_view unit(std::string_view name) {
  for (const std::string_view unit : {"seconds", "bytes"})
    if (name.ends_with(unit)) return unit;
  return "";
}

}  // namespace

void TextWriter::begin(const Family& family) {
  family_ = family;
  name_ = family.name;
  name_ += name_suffix(family.type);
  header_due_ = true;
}

/// OpenMetrics describes the family, text 0.0.4 the name of its samples.
void TextWriter::write_header() {
  header_due_ = false;
  const bool openmetrics = format_ == Format::openmetrics;
  const std::string_view name = openmetrics ? family_.name : std::string_view(name_);
  const auto line = [&](std::string_view keyword, std::string_view text) {
    for (const std::string_view part : {keyword, name, std::string_view(" "), text})
      out_.write(part);
    out_.write("\n");
  };
  line("# HELP ", family_.help);
  line("# TYPE ", type_name(family_.type, format_));
  if (openmetrics && !unit(name).empty()) line("# UNIT ", unit(name));
}

template <typename Value>
void TextWriter::write(std::string_view suffix, const Labels& labels, std::string_view more,
                       Value value) {
  if (header_due_) write_header();
  ++series_;
  const std::string_view text = labels.text();
  constexpr std::size_t kPunctuation = sizeof("{,} \n");
  char* at = out_.room(name_.size() + suffix.size() + text.size() + more.size() + kPunctuation +
                       kValueSize);
  at = put(at, name_);
  at = put(at, suffix);
  if (!text.empty() || !more.empty()) {
    *at++ = '{';
    at = put(at, text);
    if (!text.empty() && !more.empty()) *at++ = ',';
    at = put(at, more);
    *at++ = '}';
  }
  *at++ = ' ';
  at = put(at, value);
  *at++ = '\n';
  out_.wrote(at);
}

void TextWriter::sample(const Labels& labels, const Labels& more, std::uint64_t value) {
  write("", labels, more.text(), value);
}

void TextWriter::sample(const Labels& labels, const Labels& more, Nanoseconds value) {
  write("", labels, more.text(), value);
}

void TextWriter::sample(const Labels& labels, double value) { write("", labels, "", value); }

void TextWriter::histogram(const Labels& labels, const HistogramBuckets& buckets,
                           std::span<const std::uint64_t> counts, Nanoseconds sum) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    count += counts[i];
    write("_bucket", labels, buckets.texts()[i], count);
  }
  write("_sum", labels, "", sum);
  write("_count", labels, "", count);
}

bool TextWriter::end() {
  if (format_ == Format::openmetrics) out_.write("# EOF\n");
  return false;
}

}  // namespace kvmx
