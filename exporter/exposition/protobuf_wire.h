// SPDX-License-Identifier: Apache-2.0
// How protobuf writes what a page has: https://protobuf.dev/programming-guides/encoding/
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <protozero/varint.hpp>
#include <string_view>

namespace kvmx::protobuf {

// The messages' fields, by their numbers in metrics.proto. All tags are one byte.
enum FamilyField : std::uint8_t { kName = 1, kHelp = 2, kType = 3, kMetric = 4 };
enum MetricField : std::uint8_t { kLabel = 1, kGauge = 2, kCounter = 3, kHistogram = 7 };
enum LabelField : std::uint8_t { kLabelName = 1, kLabelValue = 2 };
enum ValueField : std::uint8_t { kValue = 1, kCounterCreated = 3 };  // of Gauge and Counter alike
enum TimestampField : std::uint8_t { kSeconds = 1, kNanos = 2 };
enum HistogramField : std::uint8_t {
  kSampleCount = 1,
  kSampleSum = 2,
  kBucket = 3,
  kSchema = 5,
  kZeroThreshold = 6,
  kZeroCount = 7,
  kPositiveSpan = 12,
  kPositiveDelta = 13,
  kHistogramCreated = 15
};
enum BucketField : std::uint8_t { kCumulativeCount = 1, kUpperBound = 2 };
enum SpanField : std::uint8_t { kOffset = 1, kLength = 2 };

/// Kinds of fields: a number, 8 bytes, or as many as the length before them says.
enum WireType : std::uint8_t { kVarint = 0, kFixed64 = 1, kDelimited = 2 };

inline std::size_t varint_size(std::uint64_t value) {
  return static_cast<std::size_t>(protozero::length_of_varint(value));
}

/// The size of a text as a field.
inline std::size_t field_size(std::string_view text) {
  return 1 + varint_size(text.size()) + text.size();
}

/// The most that a number takes, and the most before what has a length.
inline constexpr std::size_t kMostVarint = protozero::max_varint_length;
inline constexpr std::size_t kMostLength = 1 + kMostVarint;

// All of these return where to go on.

inline char* put_bytes(char* at, std::string_view bytes) {
  std::memcpy(at, bytes.data(), bytes.size());
  return at + bytes.size();
}

inline char* put_varint(char* at, std::uint64_t value) {
  return at + protozero::add_varint_to_buffer(at, value);
}

inline char* put_tag(char* at, unsigned field, WireType type) {
  *at = static_cast<char>(field << 3U | type);
  return at + 1;
}

inline char* put_number(char* at, unsigned field, std::uint64_t value) {
  return put_varint(put_tag(at, field, kVarint), value);
}

/// A number that may be negative, of a type that writes those short.
inline char* put_signed(char* at, unsigned field, std::int32_t value) {
  return put_number(at, field, protozero::encode_zigzag32(value));
}

inline char* put_double(char* at, unsigned field, double value) {
  at = put_tag(at, field, kFixed64);
  std::memcpy(at, &value, sizeof(value));
  return at + sizeof(value);
}

/// What comes before a field of so many bytes.
inline char* put_length(char* at, unsigned field, std::size_t size) {
  return put_varint(put_tag(at, field, kDelimited), size);
}

inline char* put_field(char* at, unsigned field, std::string_view text) {
  return put_bytes(put_length(at, field, text.size()), text);
}

}  // namespace kvmx::protobuf
