// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "exporter/exposition/labels.h"

namespace kvmx {

enum class MetricType : std::uint8_t { counter, gauge, histogram };

/// A metric family. `name` has no _total: that is the format's to add.
struct Family {
  std::string_view name;
  MetricType type;
  std::string_view help;  ///< one line, no backslash
};

/// A span of time; written as seconds, to the nanosecond and without rounding.
struct Nanoseconds {
  std::uint64_t count = 0;
};

/// Writes families in the text exposition format 0.0.4
/// (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).
/// A family's samples follow it; one without samples leaves no trace.
class TextWriter {
 public:
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

  /// Appends to `out`, which must outlive the writer.
  explicit TextWriter(std::string& out) : out_(out) {}

  void begin(const Family& family);
  void sample(const Labels& labels, std::uint64_t value);
  void sample(const Labels& labels, Nanoseconds value);

  /// A histogram of times: `buckets` as counted, one more than bounds. All samples come from the
  /// same buckets, so they agree whatever was being counted meanwhile.
  void histogram(const Labels& labels, std::span<const double> bounds_seconds,
                 std::span<const std::uint64_t> buckets, Nanoseconds sum);

  /// Samples written so far.
  [[nodiscard]] std::size_t series() const { return series_; }

 private:
  void write_header();
  void write_name(std::string_view suffix);
  void write_series(const Labels& labels, std::string_view suffix, std::string_view le = "");
  void write_value(std::uint64_t value);
  void write_value(Nanoseconds value);

  std::string& out_;
  Family family_{};
  bool header_due_ = false;
  std::size_t series_ = 0;
};

}  // namespace kvmx
