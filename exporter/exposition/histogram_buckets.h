// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace kvmx {

/// The buckets of a histogram, as every format names them.
class HistogramBuckets {
 public:
  /// `bounds`: the upper bound of each bucket but the last, which has none. `typical`: for each
  /// bucket, the last included, a value that stands for those in it; in a native histogram of
  /// `schema` its count is that of the bucket in which this value lies. In seconds, and in order.
  HistogramBuckets(std::span<const double> bounds, int schema, std::span<const double> typical);

  /// As label texts: le="0.001" and so on, le="+Inf" last.
  [[nodiscard]] std::span<const std::string> texts() const { return texts_; }
  /// As numbers; the last is infinite.
  [[nodiscard]] std::span<const double> bounds() const { return bounds_; }

  /// Of a native histogram: bucket i has what is above 2^((i-1) / 2^schema), and at most
  /// 2^(i / 2^schema).
  [[nodiscard]] int schema() const { return schema_; }
  /// For each bucket, that of a native histogram: no two are the same, and they rise.
  [[nodiscard]] std::span<const std::int32_t> native() const { return native_; }

 private:
  std::vector<std::string> texts_;
  std::vector<double> bounds_;
  int schema_;
  std::vector<std::int32_t> native_;
};

}  // namespace kvmx
