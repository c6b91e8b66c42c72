// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "exporter/exporter.h"
#include "exporter/top/source.h"

namespace kvmx {

/// This host, counted by this process.
class LocalSource : public SummarySource {
 public:
  /// Attaches to KVM's events, and gives up capabilities, files and system calls afterwards.
  static Result<std::unique_ptr<LocalSource>> start(const ExporterConfig& config);

  Result<HostSummary> read() override;
  [[nodiscard]] std::string name() const override { return "this host, counted by this process"; }
  [[nodiscard]] bool is_new() const override { return true; }

 private:
  explicit LocalSource(const ExporterConfig& config) : exporter_(config) {}

  Exporter exporter_;
};

}  // namespace kvmx
