// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "exporter/exposition/histogram_buckets.h"
#include "exporter/exposition/labels.h"

namespace kvmx {

enum class MetricType : std::uint8_t { counter, gauge, histogram, info };

/// A metric family. `name` has no _total and no _info: those belong to the type, and are the
/// format's to add.
struct Family {
  std::string_view name;
  MetricType type;
  std::string_view help;  ///< one line, no backslash, no quotes
};

/// What a type adds to the name of a family's samples.
std::string_view name_suffix(MetricType type);

/// A span of time; written as seconds, to the nanosecond and without rounding where the format can.
struct Nanoseconds {
  std::uint64_t count = 0;
};

/// Writes families in an exposition format. A family's samples follow it; one without samples
/// leaves no trace. Series are the same in all formats, to the letter.
class MetricWriter {
 public:
  MetricWriter() = default;
  MetricWriter(const MetricWriter&) = delete;
  MetricWriter& operator=(const MetricWriter&) = delete;
  virtual ~MetricWriter() = default;

  virtual void begin(const Family& family) = 0;

  /// `more`: labels besides `labels`.
  virtual void sample(const Labels& labels, const Labels& more, std::uint64_t value) = 0;
  virtual void sample(const Labels& labels, const Labels& more, Nanoseconds value) = 0;
  virtual void sample(const Labels& labels, double value) = 0;
  void sample(const Labels& labels, std::uint64_t value) { sample(labels, kNoMore, value); }
  void sample(const Labels& labels, Nanoseconds value) { sample(labels, kNoMore, value); }

  /// A histogram: `counts` of its buckets. All samples come from the same counts, so they agree
  /// whatever was being counted meanwhile.
  virtual void histogram(const Labels& labels, const HistogramBuckets& buckets,
                         std::span<const std::uint64_t> counts, Nanoseconds sum) = 0;

  /// To be called after the last family. Returns whether all of them are to be written once more,
  /// the same: where a format says how long things are before they come, the first time is for
  /// that.
  [[nodiscard]] virtual bool end() = 0;

  /// Samples written so far, this time.
  [[nodiscard]] virtual std::size_t series() const = 0;

 protected:
  static const Labels kNoMore;
};

}  // namespace kvmx
