// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "exporter/base/unique_fd.h"
#include "exporter/web/metrics_handler.h"
#include "exporter/web/server.h"
#include "tests/bench/host.h"

namespace kvmx::bench {

/// A made-up host behind the real server: each scrape takes a snapshot of its own, as one does that
/// comes when the last is too old. As in Exporter, the last is kept until then.
class ServedHost {
 public:
  explicit ServedHost(const HostSize& size);
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  std::shared_ptr<const Snapshot> refresh();

  const Host host_;
  SlotReader reader_;
  std::shared_ptr<const Snapshot> current_;
  MetricsHandler handler_;
  std::uint16_t port_;
  std::unique_ptr<WebServer> server_;
};

/// A client that keeps its connection, as Prometheus does.
class Client {
 public:
  explicit Client(std::uint16_t port);

  /// Asks for /metrics, with a further header or "". Returns how long the response was; throws if
  /// it was not an exposition.
  std::size_t scrape(const std::string& header = "");

 private:
  std::size_t receive();

  UniqueFd socket_;
  std::string buffer_;
};

}  // namespace kvmx::bench
