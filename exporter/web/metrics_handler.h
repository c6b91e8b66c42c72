// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>

#include "exporter/base/result.h"
#include "exporter/metrics/collectors.h"
#include "exporter/metrics/write_exposition.h"
#include "exporter/web/http.h"

namespace kvmx {

/// Which collectors a query asks for, as node_exporter has it: those of ?collect[]=NAME, or all but
/// those of ?exclude[]=NAME, or all. The error names what there is.
Result<CollectorSet> chosen_collectors(std::string_view query, const CollectorSet& enabled);

/// Which families a query wants to have the label vcpu: ?per_vcpu=none|counts|all, else `fallback`.
/// The error says what is allowed.
Result<PerVcpu> chosen_per_vcpu(std::string_view query, PerVcpu fallback);

/// Answers scrapes. The families of the exporter itself show how the scrape before this one went.
class MetricsHandler {
 public:
  using Snapshots = std::function<std::shared_ptr<const Snapshot>()>;

  /// At most `max_at_once` scrapes are answered at once; 0: any number. Further ones wait for their
  /// turn, in the order of arrival, and are refused after `patience`. A scrape whose client has yet
  /// to take what is written is not counted meanwhile: slow clients keep out nobody. `defaults`:
  /// what is written unless a request asks for other collectors, labels or another format.
  MetricsHandler(Snapshots snapshots, std::size_t max_at_once, const ExpositionOptions& defaults,
                 std::chrono::milliseconds patience = std::chrono::seconds(3))
      : snapshots_(std::move(snapshots)),
        max_at_once_(max_at_once),
        defaults_(defaults),
        patience_(patience) {}

  Response answer(const Request& request);

 private:
  /// One scrape's permit: it counts as being answered until it is released.
  class ScrapePermit;

  void write(const ExpositionOptions& options, ScrapePermit& permit, const Sink& sink);

  const Snapshots snapshots_;
  const std::size_t max_at_once_;
  const ExpositionOptions defaults_;
  const std::chrono::milliseconds patience_;
  std::mutex permits_mutex_;
  std::condition_variable permits_changed_;
  std::size_t at_once_ = 0;
  std::deque<const ScrapePermit*> waiting_;  ///< in the order of arrival
  std::mutex mutex_;                         ///< of what follows
  SelfStats last_;
};

}  // namespace kvmx
