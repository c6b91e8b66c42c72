// SPDX-License-Identifier: Apache-2.0
#include "exporter/exposition/registry_families.h"

#include <stdexcept>
#include <string_view>

namespace kvmx {
namespace {

using prometheus::ClientMetric;

std::string_view without(std::string_view name, std::string_view suffix) {
  if (name.ends_with(suffix)) name.remove_suffix(suffix.size());
  return name;
}

Family described(const prometheus::MetricFamily& family) {
  const std::string_view name = family.name;
  switch (family.type) {
    case prometheus::MetricType::Counter:
      return {without(name, "_total"), MetricType::counter, family.help};
    case prometheus::MetricType::Gauge:
      if (name.ends_with("_info")) return {without(name, "_info"), MetricType::info, family.help};
      return {name, MetricType::gauge, family.help};
    default:
      throw std::invalid_argument(family.name + " is neither counter nor gauge");
  }
}

}  // namespace

void write_families(const std::vector<prometheus::MetricFamily>& families, MetricWriter& writer) {
  for (const prometheus::MetricFamily& family : families) {
    const Family about = described(family);
    writer.begin(about);
    for (const ClientMetric& metric : family.metric) {
      Labels labels;
      for (const ClientMetric::Label& label : metric.label) labels.add(label.name, label.value);
      writer.sample(labels,
                    about.type == MetricType::counter ? metric.counter.value : metric.gauge.value);
    }
  }
}

}  // namespace kvmx
