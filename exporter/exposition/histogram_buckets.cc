// SPDX-License-Identifier: Apache-2.0
#include "exporter/exposition/histogram_buckets.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace kvmx {
namespace {

/// A bound as OpenMetrics asks for it: exact, with an exponent below 0.0001, and with a point. Text
/// 0.0.4 leaves the form free.
std::string bound_text(double bound) {
  constexpr std::size_t kLongest = 32;
  std::array<char, kLongest> text;
  const auto format = bound < 1e-4 ? std::chars_format::scientific : std::chars_format::fixed;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), bound, format).ptr;
  std::string written(text.data(), end);
  if (written.find_first_of(".e") == std::string::npos) written += ".0";
  return written;
}

/// log2 of a power of two is exact, so a value that is a bound is in the bucket below it.
std::int32_t native_bucket(double value, int schema) {
  return static_cast<std::int32_t>(std::ceil(std::ldexp(std::log2(value), schema)));
}

}  // namespace

HistogramBuckets::HistogramBuckets(std::span<const double> bounds, int schema,
                                   std::span<const double> typical)
    : bounds_(bounds.begin(), bounds.end()), schema_(schema) {
  for (const double bound : bounds) texts_.push_back("le=\"" + bound_text(bound) + "\"");
  texts_.emplace_back("le=\"+Inf\"");
  bounds_.push_back(std::numeric_limits<double>::infinity());
  for (const double value : typical) native_.push_back(native_bucket(value, schema));
}

}  // namespace kvmx
