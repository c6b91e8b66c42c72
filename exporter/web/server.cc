// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/server.h"

#include <CivetServer.h>
#include <sys/socket.h>

#include <charconv>
#include <exception>
#include <string_view>
#include <utility>

#include "exporter/base/log.h"
#include "exporter/base/unique_fd.h"

namespace kvmx {
namespace {

void send(mg_connection* connection, const Response& response, bool with_body,
          std::string_view extra_header = "") {
  mg_printf(connection,
            "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
            "Cache-Control: no-store\r\n%.*s\r\n",
            response.status, mg_get_response_code_text(connection, response.status),
            response.content_type.c_str(), response.body.size(),
            static_cast<int>(extra_header.size()), extra_header.data());
  if (with_body) mg_write(connection, response.body.data(), response.body.size());
}

/// One handler for all paths: CivetWeb would match prefixes, we want exact paths and a clear 404.
class Router : public CivetHandler {
 public:
  explicit Router(Routes routes) : routes_(std::move(routes)) {}

  bool handleGet(CivetServer*, mg_connection* connection) override {
    return answer(connection, true);
  }
  bool handleHead(CivetServer*, mg_connection* connection) override {
    return answer(connection, false);
  }
  bool handlePost(CivetServer*, mg_connection* connection) override { return refuse(connection); }
  bool handlePut(CivetServer*, mg_connection* connection) override { return refuse(connection); }
  bool handleDelete(CivetServer*, mg_connection* connection) override { return refuse(connection); }
  bool handlePatch(CivetServer*, mg_connection* connection) override { return refuse(connection); }
  bool handleOptions(CivetServer*, mg_connection* connection) override {
    return refuse(connection);
  }

 private:
  /// No exception may cross CivetWeb's C frames.
  [[nodiscard]] Response respond(std::string_view path) const noexcept {
    try {
      const auto route = routes_.find(path);
      if (route == routes_.end()) return {404, "text/plain; charset=utf-8", "not found\n"};
      return route->second();
    } catch (const std::exception& error) {
      spdlog::error("a request failed: {}", error.what());
      return {500, "text/plain; charset=utf-8", "internal error\n"};
    }
  }

  bool answer(mg_connection* connection, bool with_body) const {
    send(connection, respond(mg_get_request_info(connection)->local_uri), with_body);
    return true;
  }

  static bool refuse(mg_connection* connection) {
    send(connection, {405, "text/plain; charset=utf-8", "only GET and HEAD are answered\n"}, true,
         "Allow: GET, HEAD\r\n");
    return true;
  }

  Routes routes_;
};

/// CivetWeb tells why it cannot start through its log only, in the thread that starts it.
thread_local std::string last_civetweb_message;

int log_civetweb(const mg_connection*, const char* message) {
  last_civetweb_message = message;
  spdlog::debug("web server: {}", message);
  return 1;
}

bool host_has_ipv6() { return static_cast<bool>(UniqueFd(::socket(AF_INET6, SOCK_STREAM, 0))); }

}  // namespace

Result<std::string> civetweb_port(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  const std::string_view port =
      colon == std::string::npos ? "" : std::string_view(address).substr(colon + 1);
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  const bool is_port =
      error == std::errc() && end == port.data() + port.size() && number > 0 && number <= 65535;
  if (!is_port || address.find_first_of(", ") != std::string::npos)
    return Error{"\"" + address +
                 "\" is not an address to listen on: give HOST:PORT, such as :10177, "
                 "127.0.0.1:10177 or [::1]:10177"};
  if (colon != 0) return address;
  return (host_has_ipv6() ? "+" : "") + std::string(port);
}

struct WebServer::Running {
  Router router;
  std::unique_ptr<CivetServer> civet;

  explicit Running(Routes routes) : router(std::move(routes)) {}
};

Result<WebServer> WebServer::start(const std::vector<std::string>& listen_addresses,
                                   Routes routes) {
  std::string ports;
  for (const std::string& address : listen_addresses) {
    const Result<std::string> port = civetweb_port(address);
    if (!port) return port.error();
    ports += (ports.empty() ? "" : ",") + *port;
  }
  auto running = std::make_unique<Running>(std::move(routes));
  const std::vector<std::string> options = {
      "listening_ports",   ports, "num_threads", "8", "request_timeout_ms",    "10000",
      "enable_keep_alive", "yes", "tcp_nodelay", "1", "keep_alive_timeout_ms", "60000",
  };
  CivetCallbacks callbacks;
  callbacks.log_message = log_civetweb;
  try {
    running->civet = std::make_unique<CivetServer>(options, &callbacks);
  } catch (const CivetException&) {
    return Error{"cannot listen on " + ports + " (" + last_civetweb_message +
                 "): is another exporter running there? Choose another address with "
                 "--web.listen-address"};
  }
  running->civet->addHandler("/", running->router);
  return WebServer(std::move(running));
}

WebServer::WebServer(std::unique_ptr<Running> running) : running_(std::move(running)) {}
WebServer::WebServer(WebServer&&) noexcept = default;
WebServer& WebServer::operator=(WebServer&&) noexcept = default;
WebServer::~WebServer() = default;

}  // namespace kvmx
