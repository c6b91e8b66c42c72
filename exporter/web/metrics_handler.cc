// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/metrics_handler.h"

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "exporter/web/accept.h"
#include "exporter/web/query.h"

namespace kvmx {
namespace {

using Clock = std::chrono::steady_clock;

std::string names_of(const CollectorSet& collectors) {
  std::string names;
  for (std::size_t i = 0; i < kCollectors.size(); ++i)
    if (collectors[i]) names += (names.empty() ? "" : ", ") + std::string(kCollectors[i].name);
  return names;
}

}  // namespace

Result<CollectorSet> chosen_collectors(std::string_view query, const CollectorSet& enabled) {
  const std::vector<std::string> collect = query_values(query, "collect[]");
  const std::vector<std::string> exclude = query_values(query, "exclude[]");
  if (!collect.empty() && !exclude.empty())
    return Error{"collect[] and exclude[] cannot be combined"};
  CollectorSet chosen;
  for (const std::string& name : collect) {
    const auto collector = collector_named(name);
    if (!collector || (*collector & enabled).none())
      return Error{std::string(collector ? "disabled" : "unknown") +
                   " collector in collect[]; there are " + names_of(enabled)};
    chosen |= *collector;
  }
  if (collect.empty()) chosen = enabled;
  for (const std::string& name : exclude) {
    const auto collector = collector_named(name);
    if (!collector) return Error{"unknown collector in exclude[]; there are " + names_of(enabled)};
    chosen &= ~*collector;
  }
  return chosen;
}

Result<PerVcpu> chosen_per_vcpu(std::string_view query, PerVcpu fallback) {
  const std::vector<std::string> wanted = query_values(query, "per_vcpu");
  if (wanted.empty()) return fallback;
  const std::optional<PerVcpu> chosen = per_vcpu_named(wanted.front());
  if (!chosen || wanted.size() > 1) return Error{"give per_vcpu once, as none, counts or all"};
  return *chosen;
}

class MetricsHandler::ScrapePermit {
 public:
  /// Waits until it is this one's turn, or patience has an end: then nothing is granted.
  explicit ScrapePermit(MetricsHandler& handler) : handler_(handler) {
    std::unique_lock lock(handler_.permits_mutex_);
    handler_.waiting_.push_back(this);
    held_ = handler_.permits_changed_.wait_for(lock, handler_.patience_, [this] {
      return handler_.waiting_.front() == this &&
             (handler_.max_at_once_ == 0 || handler_.at_once_ < handler_.max_at_once_);
    });
    std::erase(handler_.waiting_, this);
    if (held_) ++handler_.at_once_;
    handler_.permits_changed_.notify_all();
  }
  ScrapePermit(const ScrapePermit&) = delete;
  ScrapePermit& operator=(const ScrapePermit&) = delete;
  ~ScrapePermit() { release(); }

  [[nodiscard]] bool granted() const { return held_; }

  void release() {
    if (!std::exchange(held_, false)) return;
    const std::lock_guard lock(handler_.permits_mutex_);
    --handler_.at_once_;
    handler_.permits_changed_.notify_all();
  }

  /// After a release, without waiting: what has begun is to end soon.
  void take_back() {
    const std::lock_guard lock(handler_.permits_mutex_);
    held_ = true;
    ++handler_.at_once_;
  }

 private:
  MetricsHandler& handler_;
  bool held_ = false;
};

Response MetricsHandler::answer(const Request& request) {
  const auto permit = std::make_shared<ScrapePermit>(*this);
  if (!permit->granted())
    return {.status = 503,
            .body = "limit of concurrent scrapes reached (--web.max-requests=" +
                    std::to_string(max_at_once_) + "), try again later\n",
            .headers = {{"Retry-After", "1"}}};
  const Result<CollectorSet> collectors = chosen_collectors(request.query, defaults_.collectors);
  if (!collectors) return {.status = 400, .body = collectors.error().message + "\n"};
  const Result<PerVcpu> per_vcpu = chosen_per_vcpu(request.query, defaults_.per_vcpu);
  if (!per_vcpu) return {.status = 400, .body = per_vcpu.error().message + "\n"};
  const ExpositionOptions options{
      .format = choose_format(request.accept), .collectors = *collectors, .per_vcpu = *per_vcpu};
  return {
      .content_type = std::string(content_type(options.format)),
      .write_body = [this, options, permit](const Sink& sink) { write(options, *permit, sink); },
      .headers = {{"Vary", "Accept"}}};
}

void MetricsHandler::write(const ExpositionOptions& options, ScrapePermit& permit,
                           const Sink& sink) {
  // The scrape's duration is without the time that the client took to read it.
  Clock::duration client{};
  const auto began = Clock::now();
  const Sink timed_sink = [&](std::string_view piece) {
    const auto handed_over = Clock::now();
    permit.release();
    sink(piece);
    permit.take_back();
    client += Clock::now() - handed_over;
  };
  SelfStats self;
  {
    const std::lock_guard lock(mutex_);
    self = last_;
  }
  self.process = read_process();
  const std::size_t series = write_exposition(*snapshots_(), self, options, timed_sink);
  permit.release();  // what is written last has yet to be sent
  const std::chrono::duration<double> took = Clock::now() - began - client;
  const std::lock_guard lock(mutex_);
  last_ = {took.count(), series, std::nullopt};
}

}  // namespace kvmx
