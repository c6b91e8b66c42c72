// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "exporter/exposition/metric_writer.h"
#include "exporter/exposition/text_stream.h"

namespace kvmx {

/// Writes families as Prometheus' protobuf messages io.prometheus.client.MetricFamily, each after
/// its length. It holds one family at a time, because that length comes first.
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
  void sample(const Labels& labels, std::string_view more, std::uint64_t value) override;
  void sample(const Labels& labels, std::string_view more, Nanoseconds value) override;
  void sample(const Labels& labels, double value) override;
  void histogram(const Labels& labels, const HistogramBuckets& buckets,
                 std::span<const std::uint64_t> counts, Nanoseconds sum) override;
  void end() override { finish_family(); }
  [[nodiscard]] std::size_t series() const override { return series_; }

 private:
  /// Label texts as a Metric's fields, each made once a page: most series have the labels of the
  /// one before, and then one of a few texts, mostly in the same order.
  class EncodedLabels {
   public:
    const std::string& encoded(std::string_view text);

   private:
    struct Hash : std::hash<std::string_view> {
      using is_transparent = void;
    };
    struct Fields {
      std::string bytes;
      std::size_t place = 0;  ///< in in_order_
    };
    using Texts = std::unordered_map<std::string, Fields, Hash, std::equal_to<>>;

    Texts texts_;
    std::vector<Texts::value_type*> in_order_;  ///< as they were first asked for
    std::size_t next_ = 0;                      ///< place after that of the last text
  };

  void begin_metric(const Labels& labels);
  void add_metric(std::string_view more, std::string_view value);
  void write(const Labels& labels, std::string_view more, double value);
  void finish_family();

  TextStream& out_;
  Family family_{};
  std::string message_;  ///< the family's, as far as it is written
  std::string labels_text_;
  std::string labels_;  ///< that text as a Metric's fields
  EncodedLabels more_;
  std::size_t series_ = 0;
};

}  // namespace kvmx
