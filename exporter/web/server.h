// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "exporter/base/result.h"
#include "exporter/web/http.h"
#include "exporter/web/tls/active_web_config.h"

namespace kvmx {

struct ServerOptions {
  std::vector<std::string> listen_addresses;        ///< see parse_listen_address()
  bool systemd_socket = false;                      ///< on the sockets that systemd opened, instead
  std::size_t threads = 64;                         ///< connections served at once
  std::function<void()> on_thread_start = nullptr;  ///< the first thing that each of them does
};

/// Serves `routes` by the web configuration in force until it is destroyed, which cuts off whoever
/// is being served.
class WebServer {
 public:
  static Result<WebServer> start(const ServerOptions& options, Routes routes,
                                 std::unique_ptr<WebConfigWatcher> configs);

  WebServer(WebServer&&) noexcept;
  WebServer& operator=(WebServer&&) noexcept;
  ~WebServer();

  /// To be called every second: evicts clients that are too slow, and reads the web configuration
  /// again if one of its files has changed, or if `reload`.
  void housekeep(bool reload);

 private:
  struct Running;
  explicit WebServer(std::unique_ptr<Running> running);
  std::unique_ptr<Running> running_;
};

}  // namespace kvmx
