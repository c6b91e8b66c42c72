// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace kvmx {

/// The exposition formats of Prometheus: text 0.0.4
/// (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format),
/// OpenMetrics 1.0.0
/// (https://github.com/OpenObservability/OpenMetrics/blob/main/specification/OpenMetrics.md), and
/// protobuf, which alone has native histograms.
enum class Format : std::uint8_t { text, openmetrics, protobuf };

/// The Content-Type of an exposition in `format`.
constexpr std::string_view content_type(Format format) {
  switch (format) {
    case Format::openmetrics:
      return "application/openmetrics-text; version=1.0.0; charset=utf-8";
    case Format::protobuf:
      return "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
             "encoding=delimited";
    case Format::text:
      break;
  }
  return "text/plain; version=0.0.4; charset=utf-8";
}

}  // namespace kvmx
