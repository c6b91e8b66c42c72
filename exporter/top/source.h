// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

#include "exporter/base/result.h"
#include "exporter/summary/summary.h"
#include "exporter/top/http_get.h"
#include "exporter/top/url.h"

namespace kvmx {

/// Where top has its numbers from.
class SummarySource {
 public:
  SummarySource() = default;
  SummarySource(const SummarySource&) = delete;
  SummarySource& operator=(const SummarySource&) = delete;
  virtual ~SummarySource() = default;

  /// The summary of now. The error says what to do.
  virtual Result<HostSummary> read() = 0;

  /// What users call it.
  [[nodiscard]] virtual std::string name() const = 0;

  /// Whether guests are watched only since this was made, so that it pays to wait.
  [[nodiscard]] virtual bool is_new() const = 0;
};

/// An exporter that runs.
class RemoteSource : public SummarySource {
 public:
  RemoteSource(std::string name, Url url, HttpClient client)
      : name_(std::move(name)), url_(std::move(url)), client_(std::move(client)) {}

  Result<HostSummary> read() override;
  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] bool is_new() const override { return false; }

  /// Whether the last read() found that nobody listens there.
  [[nodiscard]] bool refused() const { return refused_; }

 private:
  std::string name_;
  Url url_;
  HttpClient client_;
  bool refused_ = false;
};

}  // namespace kvmx
