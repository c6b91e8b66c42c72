// SPDX-License-Identifier: Apache-2.0
#include "exporter/exposition/metric_writer.h"

namespace kvmx {

std::string_view name_suffix(MetricType type) {
  switch (type) {
    case MetricType::counter:
      return "_total";
    case MetricType::info:
      return "_info";
    case MetricType::gauge:
    case MetricType::histogram:
      break;
  }
  return "";
}

const Labels MetricWriter::kNoMore{};

}  // namespace kvmx
