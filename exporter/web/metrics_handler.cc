// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/metrics_handler.h"

#include <chrono>
#include <string>

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
  CollectorSet chosen;
  for (const std::string& name : query_values(query, "collect[]")) {
    const auto collector = collector_named(name);
    if (!collector || (*collector & enabled).none())
      return Error{std::string(collector ? "disabled" : "unknown") +
                   " collector in collect[]; there are " + names_of(enabled)};
    chosen |= *collector;
  }
  return chosen.none() ? enabled : chosen;
}

class MetricsHandler::ScrapePermit {
 public:
  explicit ScrapePermit(MetricsHandler& handler)
      : handler_(handler),
        granted_(++handler.at_once_ <= handler.max_at_once_ || handler.max_at_once_ == 0) {}
  ScrapePermit(const ScrapePermit&) = delete;
  ScrapePermit& operator=(const ScrapePermit&) = delete;
  ~ScrapePermit() { --handler_.at_once_; }
  [[nodiscard]] bool granted() const { return granted_; }

 private:
  MetricsHandler& handler_;
  const bool granted_;
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
  const std::optional<Format> format = choose_format(request.accept);
  if (!format)
    return {.status = 406,
            .body = "what Accept asks for is not to be had; there are " +
                    std::string(content_type(Format::text)) + " and " +
                    std::string(content_type(Format::openmetrics)) + "\n",
            .headers = {{"Vary", "Accept"}}};
  ExpositionOptions options = defaults_;
  options.format = *format;
  options.collectors = *collectors;
  return {.content_type = std::string(content_type(*format)),
          .write_body = [this, options, permit](const Sink& sink) { write(options, sink); },
          .headers = {{"Vary", "Accept"}}};
}

void MetricsHandler::write(const ExpositionOptions& options, const Sink& sink) {
  // The scrape's duration is without the time that the client took to read it.
  Clock::duration client{};
  const auto began = Clock::now();
  const Sink timed_sink = [&](std::string_view piece) {
    const auto handed_over = Clock::now();
    sink(piece);
    client += Clock::now() - handed_over;
  };
  SelfStats self;
  {
    const std::lock_guard lock(mutex_);
    self = last_;
  }
  self.process = read_process();
  const std::size_t series = write_exposition(*snapshots_(), self, options, timed_sink);
  const std::chrono::duration<double> took = Clock::now() - began - client;
  const std::lock_guard lock(mutex_);
  last_ = {took.count(), series, std::nullopt};
}

}  // namespace kvmx
