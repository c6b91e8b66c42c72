// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "exporter/exposition/format.h"
#include "exporter/exposition/metric_writer.h"
#include "exporter/exposition/text_stream.h"

namespace kvmx {

/// Writes families as text 0.0.4 or as OpenMetrics.
class TextWriter final : public MetricWriter {
 public:
  /// Writes to `out`, which must outlive the writer.
  TextWriter(TextStream& out, Format format) : out_(out), format_(format) {}

  void begin(const Family& family) override;
  using MetricWriter::sample;
  void sample(const Labels& labels, const Labels& more, std::uint64_t value) override;
  void sample(const Labels& labels, const Labels& more, Nanoseconds value) override;
  void sample(const Labels& labels, double value) override;
  void histogram(const Labels& labels, const HistogramBuckets& buckets,
                 std::span<const std::uint64_t> counts, Nanoseconds sum) override;
  [[nodiscard]] bool end() override;
  [[nodiscard]] std::size_t series() const override { return series_; }

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
