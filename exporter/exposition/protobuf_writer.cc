// SPDX-License-Identifier: Apache-2.0
#include "exporter/exposition/protobuf_writer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <protozero/pbf_writer.hpp>
#include <protozero/varint.hpp>

namespace kvmx {
namespace {

/// Kinds of fields on the wire: 8 bytes, or as many as the length before them says.
enum WireType : unsigned { kFixed64 = 1, kDelimited = 2 };

// The messages' fields, by their numbers in metrics.proto.
enum FamilyField : protozero::pbf_tag_type { kName = 1, kHelp = 2, kType = 3, kMetric = 4 };
enum MetricField : protozero::pbf_tag_type { kLabel = 1, kGauge = 2, kCounter = 3, kHistogram = 7 };
enum LabelField : protozero::pbf_tag_type { kLabelName = 1, kLabelValue = 2 };
enum ValueField : protozero::pbf_tag_type { kValue = 1 };  // of Gauge and Counter alike
enum HistogramField : protozero::pbf_tag_type {
  kSampleCount = 1,
  kSampleSum = 2,
  kBucket = 3,
  kSchema = 5,
  kZeroThreshold = 6,
  kZeroCount = 7,
  kPositiveSpan = 12,
  kPositiveDelta = 13
};
enum BucketField : protozero::pbf_tag_type { kCumulativeCount = 1, kUpperBound = 2 };
enum SpanField : protozero::pbf_tag_type { kOffset = 1, kLength = 2 };

/// Nothing is below it: what is counted has a bucket of its own.
constexpr double kLeast = 1e-9;

/// By MetricType; an info is a gauge here.
constexpr std::array<int, 4> kTypes = {0, 1, 4, 1};

double seconds(Nanoseconds time) { return static_cast<double>(time.count) / 1e9; }

void add_tag(std::string& to, unsigned field, WireType type) {
  protozero::add_varint_to_buffer(&to, field << 3U | type);
}

void add_text(std::string& to, unsigned field, std::string_view text) {
  add_tag(to, field, kDelimited);
  protozero::add_varint_to_buffer(&to, text.size());
  to += text;
}

std::string unescaped(std::string_view value) {
  std::string text;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const bool escaped = value[i] == '\\';
    if (escaped) ++i;
    text += escaped && value[i] == 'n' ? '\n' : value[i];
  }
  return text;
}

/// Where the value ends that begins with `text`: at the first quote that is not escaped.
std::size_t end_of_value(std::string_view text) {
  std::size_t end = 0;
  while (text[end] != '"') end += text[end] == '\\' ? 2 : 1;
  return end;
}

/// A label text as the fields of a Metric.
void encode_labels(std::string_view text, std::string& fields) {
  std::string label;
  fields.clear();
  while (!text.empty()) {
    const std::size_t equals = text.find('=');
    const std::string_view name = text.substr(0, equals);
    text.remove_prefix(equals + 2);
    const std::string_view value = text.substr(0, end_of_value(text));
    text.remove_prefix(std::min(value.size() + 2, text.size()));
    label.clear();
    add_text(label, kLabelName, name);
    if (value.find('\\') == std::string_view::npos)
      add_text(label, kLabelValue, value);
    else
      add_text(label, kLabelValue, unescaped(value));
    add_text(fields, kLabel, label);
  }
}

void add_classic_buckets(protozero::pbf_writer& histogram, std::span<const double> bounds,
                         std::span<const std::uint64_t> counts) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    count += counts[i];
    protozero::pbf_writer bucket(histogram, kBucket);
    bucket.add_uint64(kCumulativeCount, count);
    bucket.add_double(kUpperBound, bounds[i]);
  }
}

/// Spans are of buckets without a gap between them; the offset of the first is its index, of others
/// the gap before them. A delta is the difference to the bucket before it.
void add_native_buckets(protozero::pbf_writer& histogram, const HistogramBuckets& buckets,
                        std::span<const std::uint64_t> counts) {
  histogram.add_sint32(kSchema, buckets.schema());
  histogram.add_double(kZeroThreshold, kLeast);
  histogram.add_uint64(kZeroCount, 0);
  const auto index = [&](std::size_t i) { return buckets.native()[i]; };
  std::int32_t next = 0;  // after the span before
  for (std::size_t i = 0; i < counts.size();) {
    if (counts[i] == 0) {
      ++i;
      continue;
    }
    std::size_t last = i;
    while (last + 1 < counts.size() && counts[last + 1] != 0 && index(last + 1) == index(last) + 1)
      ++last;
    protozero::pbf_writer span(histogram, kPositiveSpan);
    span.add_sint32(kOffset, index(i) - next);
    span.add_uint32(kLength, static_cast<std::uint32_t>(last + 1 - i));
    next = index(last) + 1;
    i = last + 1;
  }
  protozero::packed_field_sint64 deltas(histogram, kPositiveDelta);
  std::int64_t before = 0;
  for (const std::uint64_t count : counts) {
    if (count == 0) continue;
    deltas.add_element(static_cast<std::int64_t>(count) - before);
    before = static_cast<std::int64_t>(count);
  }
}

}  // namespace

void ProtobufWriter::begin(const Family& family) {
  finish_family();
  family_ = family;
}

void ProtobufWriter::finish_family() {
  if (message_.empty()) return;
  std::string length;
  protozero::add_varint_to_buffer(&length, message_.size());
  out_.write(length);
  out_.pass_on(message_);
  message_.clear();
}

const std::string& ProtobufWriter::EncodedLabels::encoded(std::string_view text) {
  if (next_ < in_order_.size() && in_order_[next_]->first == text)
    return in_order_[next_++]->second.bytes;
  auto at = texts_.find(text);
  if (at == texts_.end()) {
    at = texts_.try_emplace(std::string(text)).first;
    encode_labels(text, at->second.bytes);
    at->second.place = in_order_.size();
    in_order_.push_back(&*at);
  }
  next_ = at->second.place + 1;
  return at->second.bytes;
}

void ProtobufWriter::begin_metric(const Labels& labels) {
  if (message_.empty()) {
    protozero::pbf_writer family(message_);
    const std::string name = std::string(family_.name) + std::string(name_suffix(family_.type));
    family.add_string(kName, name);
    family.add_string(kHelp, family_.help.data(), family_.help.size());
    family.add_enum(kType, kTypes[static_cast<std::size_t>(family_.type)]);
  }
  ++series_;
  if (labels.text() == labels_text_) return;
  labels_text_ = labels.text();
  encode_labels(labels_text_, labels_);
}

/// Adds a Metric of the labels of begin_metric(), of `more` and of `value`, all encoded.
void ProtobufWriter::add_metric(std::string_view more, std::string_view value) {
  add_tag(message_, kMetric, kDelimited);
  protozero::add_varint_to_buffer(&message_, labels_.size() + more.size() + value.size());
  message_ += labels_;
  message_ += more;
  message_ += value;
}

void ProtobufWriter::write(const Labels& labels, std::string_view more, double value) {
  begin_metric(labels);
  const MetricField kind = family_.type == MetricType::counter ? kCounter : kGauge;
  // A message of one field, which is a double.
  std::array<char, 3 + sizeof(value)> encoded = {static_cast<char>(kind << 3U | kDelimited),
                                                 1 + sizeof(value),
                                                 static_cast<char>(kValue << 3U | kFixed64)};
  std::memcpy(&encoded[3], &value, sizeof(value));
  add_metric(more.empty() ? std::string_view() : more_.encoded(more),
             {encoded.data(), encoded.size()});
}

void ProtobufWriter::sample(const Labels& labels, std::string_view more, std::uint64_t value) {
  write(labels, more, static_cast<double>(value));
}

void ProtobufWriter::sample(const Labels& labels, std::string_view more, Nanoseconds value) {
  write(labels, more, seconds(value));
}

void ProtobufWriter::sample(const Labels& labels, double value) { write(labels, "", value); }

void ProtobufWriter::histogram(const Labels& labels, const HistogramBuckets& buckets,
                               std::span<const std::uint64_t> counts, Nanoseconds sum) {
  begin_metric(labels);
  std::string encoded;
  protozero::pbf_writer histogram(encoded);
  std::uint64_t count = 0;
  for (const std::uint64_t of_bucket : counts) count += of_bucket;
  histogram.add_uint64(kSampleCount, count);
  histogram.add_double(kSampleSum, seconds(sum));
  add_classic_buckets(histogram, buckets.bounds(), counts);
  add_native_buckets(histogram, buckets, counts);
  std::string field;
  add_text(field, kHistogram, encoded);
  add_metric("", field);
}

}  // namespace kvmx
