// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exporter/exposition/format.h"
#include "exporter/exposition/labels.h"
#include "exporter/exposition/text_stream.h"

namespace kvmx {

enum class MetricType : std::uint8_t { counter, gauge, histogram, info };

/// A metric family. `name` has no _total and no _info: those belong to the type, and are the
/// format's to add.
struct Family {
  std::string_view name;
  MetricType type;
  std::string_view help;  ///< one line, no backslash, no quotes
};

/// A span of time; written as seconds, to the nanosecond and without rounding.
struct Nanoseconds {
  std::uint64_t count = 0;
};

/// The upper bounds of a histogram's buckets, as label texts: le="0.001" and so on, le="+Inf" last.
class HistogramBounds {
 public:
  explicit HistogramBounds(std::span<const double> bounds);
  [[nodiscard]] std::span<const std::string> texts() const { return texts_; }

 private:
  std::vector<std::string> texts_;
};

/// Writes families in an exposition format. A family's samples follow it; one without samples
/// leaves no trace. Series are the same in all formats, to the letter.
class TextWriter {
 public:
  /// Writes to `out`, which must outlive the writer.
  TextWriter(TextStream& out, Format format) : out_(out), format_(format) {}

  void begin(const Family& family);

  /// `more`: label text besides `labels`.
  void sample(const Labels& labels, std::string_view more, std::uint64_t value);
  void sample(const Labels& labels, std::string_view more, Nanoseconds value);
  void sample(const Labels& labels, std::uint64_t value) { sample(labels, "", value); }
  void sample(const Labels& labels, Nanoseconds value) { sample(labels, "", value); }
  void sample(const Labels& labels, double value);

  /// A histogram: `buckets` as counted, as many as bounds. All samples come from the same buckets,
  /// so they agree whatever was being counted meanwhile.
  void histogram(const Labels& labels, const HistogramBounds& bounds,
                 std::span<const std::uint64_t> buckets, Nanoseconds sum);

  /// To be called after the last family.
  void end();

  /// Samples written so far.
  [[nodiscard]] std::size_t series() const { return series_; }

 private:
  void write_header();
  template <typename Value>
  void write(std::string_view suffix, const Labels& labels, std::string_view more, Value value);

  TextStream& out_;
  const Format format_;
  Family family_{};
  std::string name_;  ///< of the family's samples; of a histogram's, the part they share
  bool header_due_ = false;
  std::size_t series_ = 0;
};

}  // namespace kvmx
