// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>

#include "exporter/base/result.h"
#include "exporter/metrics/collectors.h"
#include "exporter/metrics/write_exposition.h"
#include "exporter/web/http.h"

namespace kvmx {

/// Which collectors a query asks for with ?collect[]=NAME, as node_exporter has it: those of the
/// names given, or all. The error names what there is.
Result<CollectorSet> chosen_collectors(std::string_view query, const CollectorSet& enabled);

/// Answers scrapes. The families of the exporter itself show how the scrape before this one went.
class MetricsHandler {
 public:
  using Snapshots = std::function<std::shared_ptr<const Snapshot>()>;

  /// At most `max_at_once` scrapes are answered at once; 0: any number.
  /// `defaults`: what is written unless a request asks for less, or for another format.
  MetricsHandler(Snapshots snapshots, std::size_t max_at_once, const ExpositionOptions& defaults)
      : snapshots_(std::move(snapshots)), max_at_once_(max_at_once), defaults_(defaults) {}

  Response answer(const Request& request);

 private:
  /// One scrape's permit: it counts as being answered while this lives.
  class ScrapePermit;

  void write(const ExpositionOptions& options, const Sink& sink);

  const Snapshots snapshots_;
  const std::size_t max_at_once_;
  const ExpositionOptions defaults_;
  std::atomic<std::size_t> at_once_ = 0;
  std::mutex mutex_;
  SelfStats last_;
};

}  // namespace kvmx
