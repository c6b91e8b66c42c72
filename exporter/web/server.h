// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "exporter/base/result.h"
#include "exporter/web/http.h"
#include "exporter/web/policy.h"

namespace kvmx {

struct ServerOptions {
  std::vector<std::string> listen_addresses;  ///< see civetweb_ports()
  std::size_t threads = 64;                   ///< connections served at once
  void (*on_thread_start)() = nullptr;        ///< the first thing that each of them does
};

/// Serves `routes` by the policy in force until it is destroyed, which cuts off whoever is being
/// served.
class WebServer {
 public:
  static Result<WebServer> start(const ServerOptions& options, Routes routes,
                                 std::unique_ptr<PolicyFile> policy);

  WebServer(WebServer&&) noexcept;
  WebServer& operator=(WebServer&&) noexcept;
  ~WebServer();

  /// To be called every second: shuts out clients that are too slow, and serves by the policy's
  /// files anew if they have changed, or if `reload`.
  void housekeep(bool reload);

 private:
  struct Running;
  explicit WebServer(std::unique_ptr<Running> running);
  std::unique_ptr<Running> running_;
};

}  // namespace kvmx
