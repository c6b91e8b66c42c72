// SPDX-License-Identifier: Apache-2.0
#include "exporter/exposition/protobuf_writer.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "exporter/exposition/protobuf_wire.h"

namespace kvmx {
namespace {

using namespace protobuf;

/// Nothing is below it: what is counted has a bucket of its own.
constexpr double kLeast = 1e-9;

/// By MetricType; an info is a gauge here.
constexpr std::array<std::uint64_t, 4> kTypes = {0, 1, 4, 1};

constexpr std::size_t kDoubleField = 1 + sizeof(double);

/// Of a histogram: what one bucket takes at most, in all its forms, and what there is besides.
constexpr std::size_t kMostOfBucket =
    2 + 1 + kMostVarint + kDoubleField + 2 + 2 * (1 + kMostVarint) + kMostVarint;
constexpr std::size_t kMostBesides = 7 * (1 + kMostVarint) + 2 * kMostLength;

double seconds(Nanoseconds time) { return static_cast<double>(time.count) / 1e9; }

/// What tells since when something counts takes, as a field.
std::size_t created_size(std::string_view created) {
  return created.empty() ? 0 : field_size(created);
}

char* put_created(char* at, unsigned field, std::string_view created) {
  return created.empty() ? at : put_field(at, field, created);
}

/// A message shorter than 128 bytes, whose length is one byte.
template <typename Put>
char* put_short(char* at, unsigned field, Put put) {
  at = put_tag(at, field, kDelimited);
  char* const end = put(at + 1);
  *at = static_cast<char>(end - at - 1);
  return end;
}

char* put_classic_buckets(char* at, std::span<const double> bounds,
                          std::span<const std::uint64_t> counts) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    count += counts[i];
    at = put_short(at, kBucket, [&](char* to) {
      return put_double(put_number(to, kCumulativeCount, count), kUpperBound, bounds[i]);
    });
  }
  return at;
}

/// Spans are of buckets without a gap between them; the offset of the first is its index, of others
/// the gap before them.
char* put_spans(char* at, std::span<const std::int32_t> indices,
                std::span<const std::uint64_t> counts) {
  std::int32_t next = 0;  // after the span before
  for (std::size_t i = 0; i < counts.size();) {
    if (counts[i] == 0) {
      ++i;
      continue;
    }
    std::size_t last = i;
    while (last + 1 < counts.size() && counts[last + 1] != 0 &&
           indices[last + 1] == indices[last] + 1)
      ++last;
    at = put_short(at, kPositiveSpan, [&](char* to) {
      return put_number(put_signed(to, kOffset, indices[i] - next), kLength, last + 1 - i);
    });
    next = indices[last] + 1;
    i = last + 1;
  }
  return at;
}

/// A delta is the difference to the bucket before it.
char* put_deltas(char* at, std::span<const std::uint64_t> counts) {
  const auto each_delta = [counts](auto use) {
    std::uint64_t before = 0;
    for (const std::uint64_t count : counts)
      if (count != 0)
        use(protozero::encode_zigzag64(
            static_cast<std::int64_t>(count - std::exchange(before, count))));
  };
  std::size_t size = 0;
  each_delta([&size](std::uint64_t delta) { size += varint_size(delta); });
  if (size == 0) return at;
  at = put_length(at, kPositiveDelta, size);
  each_delta([&at](std::uint64_t delta) { at = put_varint(at, delta); });
  return at;
}

char* put_histogram(char* at, const HistogramBuckets& buckets,
                    std::span<const std::uint64_t> counts, Nanoseconds sum,
                    std::string_view created) {
  std::uint64_t count = 0;
  for (const std::uint64_t of_bucket : counts) count += of_bucket;
  at = put_double(put_number(at, kSampleCount, count), kSampleSum, seconds(sum));
  at = put_classic_buckets(at, buckets.bounds(), counts);
  at = put_double(put_signed(at, kSchema, buckets.schema()), kZeroThreshold, kLeast);
  at = put_number(at, kZeroCount, 0);
  at = put_deltas(put_spans(at, buckets.native(), counts), counts);
  return put_created(at, kHistogramCreated, created);
}

}  // namespace

void ProtobufWriter::begin(const Family& family) {
  family_ = family;
  header_due_ = true;
  if (measuring_) lengths_.push_back(0);
  ++begun_;
}

bool ProtobufWriter::end() {
  if (!measuring_) {
    if (std::ranges::any_of(lengths_, [](std::size_t left) { return left != 0; }))
      throw std::logic_error("a family was written twice, and not the same");
    return false;
  }
  measuring_ = false;
  begun_ = series_ = 0;
  return true;
}

void ProtobufWriter::write_header() {
  header_due_ = false;
  const std::string name = std::string(family_.name) + std::string(name_suffix(family_.type));
  const std::uint64_t type = kTypes[static_cast<std::size_t>(family_.type)];
  const std::size_t size = field_size(name) + field_size(family_.help) + 2;
  std::size_t& length = lengths_.at(begun_ - 1);
  if (measuring_) {
    length = size;
    return;
  }
  char* at = put_varint(out_.room(kMostVarint + size), length);
  at = put_field(put_field(at, kName, name), kHelp, family_.help);
  out_.wrote(put_number(at, kType, type));
  length -= size;
}

/// Adds a Metric of so many bytes. Returns where to write them; null while families are measured.
char* ProtobufWriter::add_metric(std::size_t size) {
  if (header_due_) write_header();
  ++series_;
  const std::size_t all = 1 + varint_size(size) + size;
  std::size_t& length = lengths_[begun_ - 1];
  if (measuring_) {
    length += all;
    return nullptr;
  }
  length -= all;
  return put_length(out_.room(all), kMetric, size);
}

void ProtobufWriter::write(const Labels& labels, const Labels& more, double value) {
  const bool counts = family_.type == MetricType::counter;
  const std::string_view created = counts ? labels.created() : std::string_view();
  const std::size_t message = kDoubleField + created_size(created);  // its length is one byte
  char* at = add_metric(labels.fields().size() + more.fields().size() + 2 + message);
  if (!at) return;
  at = put_bytes(put_bytes(at, labels.fields()), more.fields());
  at = put_double(put_length(at, counts ? kCounter : kGauge, message), kValue, value);
  out_.wrote(put_created(at, kCounterCreated, created));
}

void ProtobufWriter::sample(const Labels& labels, const Labels& more, std::uint64_t value) {
  write(labels, more, static_cast<double>(value));
}

void ProtobufWriter::sample(const Labels& labels, const Labels& more, Nanoseconds value) {
  write(labels, more, seconds(value));
}

void ProtobufWriter::sample(const Labels& labels, double value) { write(labels, kNoMore, value); }

void ProtobufWriter::histogram(const Labels& labels, const HistogramBuckets& buckets,
                               std::span<const std::uint64_t> counts, Nanoseconds sum) {
  histogram_.resize(counts.size() * kMostOfBucket + kMostBesides);
  const char* const end = put_histogram(histogram_.data(), buckets, counts, sum, labels.created());
  const std::string_view encoded(histogram_.data(), end);
  if (char* at = add_metric(labels.fields().size() + field_size(encoded)))
    out_.wrote(put_field(put_bytes(at, labels.fields()), kHistogram, encoded));
}

}  // namespace kvmx
