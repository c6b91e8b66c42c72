// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "exporter/base/result.h"
#include "exporter/web/http.h"

namespace kvmx {

/// A listen address as users write it, in CivetWeb's form: ":10177" listens on every address,
/// IPv6 too where the host has it; "127.0.0.1:10177", "[::1]:10177" on one. The error says what
/// is wrong with it.
Result<std::string> civetweb_port(const std::string& address);

/// Serves `routes` until it is destroyed, which waits for requests under way.
class WebServer {
 public:
  static Result<WebServer> start(const std::vector<std::string>& listen_addresses, Routes routes);

  WebServer(WebServer&&) noexcept;
  WebServer& operator=(WebServer&&) noexcept;
  ~WebServer();

 private:
  struct Running;
  explicit WebServer(std::unique_ptr<Running> running);
  std::unique_ptr<Running> running_;
};

}  // namespace kvmx
