// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>

#include "exporter/base/result.h"
#include "exporter/metrics/collectors.h"
#include "exporter/metrics/page.h"
#include "exporter/web/http.h"

namespace kvmx {

/// Which collectors a query asks for with ?collect[]=NAME, as node_exporter has it: those of the
/// names given, or all. The error names what there is.
Result<CollectorSet> chosen_collectors(std::string_view query, const CollectorSet& enabled);

/// Answers scrapes, and remembers how the last one went, for the next one to tell.
class Scraper {
 public:
  using Snapshots = std::function<std::shared_ptr<const Snapshot>()>;

  /// At most `max_at_once` scrapes are answered at once; 0: any number. `page`: what a page has if
  /// a request does not ask for less, or for another format.
  Scraper(Snapshots snapshots, std::size_t max_at_once, const RenderOptions& page)
      : snapshots_(std::move(snapshots)), max_at_once_(max_at_once), page_(page) {}

  Response scrape(const Request& request);

 private:
  /// One scrape's leave to be answered.
  class Leave;

  void write(const RenderOptions& options, const Sink& sink);

  const Snapshots snapshots_;
  const std::size_t max_at_once_;
  const RenderOptions page_;
  std::atomic<std::size_t> at_once_ = 0;
  std::mutex mutex_;
  SelfStats last_;
};

}  // namespace kvmx
