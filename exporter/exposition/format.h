// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace kvmx {

/// The exposition formats of Prometheus: text 0.0.4
/// (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format) and
/// OpenMetrics 1.0.0
/// (https://github.com/OpenObservability/OpenMetrics/blob/main/specification/OpenMetrics.md).
enum class Format : std::uint8_t { text, openmetrics };

/// The Content-Type of an exposition in `format`.
constexpr std::string_view content_type(Format format) {
  return format == Format::openmetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

}  // namespace kvmx
