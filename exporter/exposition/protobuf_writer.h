// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "exporter/exposition/metric_writer.h"
#include "exporter/exposition/text_stream.h"

namespace kvmx {

/// Writes families as Prometheus' protobuf messages io.prometheus.client.MetricFamily, each after
/// its length. So all families are written twice: the first time they are measured, and nothing is
/// written. That is quicker than to hold a family of some megabytes, and takes no memory.
///
/// A histogram is a native one and a classic one at once, as Prometheus' own libraries write them:
/// a server that knows native histograms takes those, and drops the classic buckets unless it is
/// told to keep both (scrape_classic_histograms); other clients know the classic ones alone.
///
/// https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto
class ProtobufWriter final : public MetricWriter {
 public:
  /// Writes to `out`, which must outlive the writer.
  explicit ProtobufWriter(TextStream& out) : out_(out) {}

  void begin(const Family& family) override;
  using MetricWriter::sample;
  void sample(const Labels& labels, const Labels& more, std::uint64_t value) override;
  void sample(const Labels& labels, const Labels& more, Nanoseconds value) override;
  void sample(const Labels& labels, double value) override;
  void histogram(const Labels& labels, const HistogramBuckets& buckets,
                 std::span<const std::uint64_t> counts, Nanoseconds sum) override;
  /// Throws std::logic_error if a family was not the same the second time.
  [[nodiscard]] bool end() override;
  [[nodiscard]] std::size_t series() const override { return series_; }

 private:
  void write_header();
  char* add_metric(std::size_t size);
  void write(const Labels& labels, const Labels& more, double value);

  TextStream& out_;
  bool measuring_ = true;
  /// Of each family, as far as it is measured; then, what of it is still to be written.
  std::vector<std::size_t> lengths_;
  std::size_t begun_ = 0;  ///< families
  Family family_{};        ///< the last of them
  bool header_due_ = false;
  std::vector<char> histogram_;  ///< memory that each histogram uses again
  std::size_t series_ = 0;
};

}  // namespace kvmx
