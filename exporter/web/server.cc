// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/server.h"

#include <fcntl.h>
#include <openssl/ssl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <string_view>
#include <utility>

#include "exporter/base/log.h"
#include "exporter/base/unique_fd.h"
#include "exporter/web/civetweb/civetweb_more.h"
#include "exporter/web/connections.h"
#include "exporter/web/framing.h"
#include "exporter/web/listeners.h"
#include "exporter/web/query.h"
#include "exporter/web/reply.h"
#include "exporter/web/router.h"

namespace kvmx {
namespace {

/// How long a client may take to take a response; 10 s without any progress are too long as well.
constexpr std::chrono::seconds kAnswering(30);
/// Threads kept free, so that there is always one to look at who comes next.
constexpr std::size_t kSpareThreads = 8;
/// How long a start waits for its threads to begin, on a host that is very busy.
constexpr std::chrono::seconds kBeginning(30);

/// All headers of this name, joined.
std::string header(const mg_request_info& info, const char* name) {
  std::string joined;
  for (int i = 0; i < info.num_headers; ++i) {
    if (mg_strcasecmp(info.http_headers[i].name, name) != 0) continue;
    joined += (joined.empty() ? "" : ", ") + std::string(info.http_headers[i].value);
  }
  return joined;
}

Request request_of(const mg_request_info& info) {
  return {.method = info.request_method,
          .path = percent_decode(info.local_uri),
          .query = info.query_string ? info.query_string : "",
          .accept = header(info, "Accept"),
          .accept_encoding = header(info, "Accept-Encoding"),
          .authorization = header(info, "Authorization"),
          .client = info.remote_addr};
}

/// CivetWeb tells why it cannot start through its log only, in the thread that starts it.
thread_local std::string last_civetweb_message;

int log_civetweb(const mg_connection*, const char* message) {
  last_civetweb_message = message;
  spdlog::debug("web server: {}", message);
  return 1;
}

Response refuse(BasicAuth::Verdict verdict) {
  if (verdict == BasicAuth::Verdict::busy)
    return {.status = 503,
            .body = "too many passwords are being checked, try again later\n",
            .headers = {{"Retry-After", "1"}},
            .close = true};
  return {.status = 401,
          .body = "a user name and password are needed\n",
          .headers = {{"WWW-Authenticate", "Basic realm=\"kvm_exit_exporter\", charset=\"UTF-8\""}},
          .close = verdict == BasicAuth::Verdict::wrong};
}

/// What CivetWeb cannot parse. A method that it does not know looks like that to it, too.
Response unparsable(const mg_connection* connection, int status, const char* message) {
  const mg_request_info& info = *mg_get_request_info(connection);
  if (status == 400 && info.request_method && info.http_version &&
      is_unknown_method(info.request_method, kvmx_civetweb_knows_method(info.request_method) != 0))
    return method_not_allowed();
  return {.status = status, .body = std::string(message) + "\n", .close = true};
}

}  // namespace

struct WebServer::Running {
  Routes routes;
  std::unique_ptr<WebConfigWatcher> watcher;
  std::shared_ptr<const ActiveWebConfig> config;  ///< whose TLS CivetWeb has; used by one thread
  Connections connections;
  std::function<void()> on_thread_start;
  std::mutex mutex;
  std::condition_variable thread_begun;
  std::size_t threads_begun = 0;
  mg_context* civetweb = nullptr;
  UniqueFd wake;  ///< an eventfd; CivetWeb waits for a duplicate of it beside its sockets

  Running(const ServerOptions& options, Routes all, std::unique_ptr<WebConfigWatcher> configs)
      : routes(std::move(all)),
        watcher(std::move(configs)),
        config(watcher->current()),
        connections(options.threads - kSpareThreads, kAnswering),
        on_thread_start(options.on_thread_start) {}
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() { stop(); }

  static Running& of(const mg_connection* connection) {
    return *static_cast<Running*>(mg_get_user_data(mg_get_context(connection)));
  }

  /// Who may be here at all comes before everything else.
  [[nodiscard]] Response respond(const ActiveWebConfig& now,
                                 const mg_request_info& info) const noexcept {
    try {
      if (const std::string mistake = framing_mistake(info); !mistake.empty())
        return {.status = 400, .body = mistake + "\n", .close = true};
      if (now.rate_limiter && !now.rate_limiter->allow())
        return {.status = 429, .body = "too many requests (rate_limit), try again later\n"};
      const Request request = request_of(info);
      const BasicAuth::Verdict verdict = now.auth->check(request.authorization, request.client);
      return verdict == BasicAuth::Verdict::right ? answer(routes, request) : refuse(verdict);
    } catch (const std::exception& error) {
      spdlog::error("a request failed: {}", error.what());
      return {.status = 500, .body = "internal error\n"};
    }
  }

  int handle(mg_connection* connection) {
    connections.answer(kvmx_civetweb_socket(connection));
    const std::shared_ptr<const ActiveWebConfig> now = watcher->current();
    const Response response = respond(*now, *mg_get_request_info(connection));
    reply(connection, response, now->headers, connections);
    return response.status;
  }

  void serve_by(std::shared_ptr<const ActiveWebConfig> next) {
    if (next->tls) {
      SSL_CTX_set_info_callback(next->tls.get(), on_handshake);
      if (civetweb) kvmx_civetweb_set_tls(civetweb, next->tls.get());
    }
    config = std::move(next);
  }

  /// A client that opens a connection and then says nothing is waited for in its handshake.
  static void on_handshake(const SSL* ssl, int where, int) {
    if ((where & SSL_CB_HANDSHAKE_START) == 0) return;
    const auto* connection = static_cast<const mg_connection*>(SSL_get_app_data(ssl));
    of(connection).connections.open(SSL_get_fd(ssl));
  }

  void begin_thread() {
    if (on_thread_start) on_thread_start();
    const std::lock_guard lock(mutex);
    ++threads_begun;
    thread_begun.notify_all();
  }

  /// CivetWeb does not wait for its threads. One that began only after the process has entered its
  /// sandbox could not give up what it has.
  bool wait_for_threads(std::size_t count) {
    std::unique_lock lock(mutex);
    return thread_begun.wait_for(lock, kBeginning, [&] { return threads_begun >= count; });
  }

  static mg_callbacks callbacks() {
    mg_callbacks called{};
    called.init_thread = [](const mg_context* context, int) -> void* {
      static_cast<Running*>(mg_get_user_data(context))->begin_thread();
      return nullptr;
    };
    called.log_message = log_civetweb;
    called.external_ssl_ctx = [](void** tls, void* self) {
      *tls = static_cast<Running*>(self)->config->tls.get();
      return *tls ? 1 : 0;
    };
    called.init_connection = [](const mg_connection* connection, void**) {
      of(connection).connections.open(kvmx_civetweb_socket(connection));
      return 0;
    };
    called.http_error = [](mg_connection* connection, int status, const char* message) {
      reply_without_request(connection, unparsable(connection, status, message));
      return 0;
    };
    called.begin_request = [](mg_connection* connection) {
      return of(connection).handle(connection);
    };
    called.end_request = [](const mg_connection* connection, int) {
      of(connection).connections.wait_for_request(kvmx_civetweb_socket(connection));
    };
    called.connection_close = [](const mg_connection* connection) {
      of(connection).connections.forget(kvmx_civetweb_socket(connection));
    };
    return called;
  }

  /// CivetWeb looks every 2 s whether it is to stop; what it waits for is taken from it, so that it
  /// looks at once.
  void stop() {
    if (!civetweb) return;
    ::eventfd_write(wake.get(), 1);
    watcher->current()->auth->close();
    connections.evict_all();
    mg_stop(civetweb);
  }
};

namespace {

Result<std::vector<Listener>> open_listeners(const ServerOptions& options) {
  if (options.systemd_socket) return inherited_listeners();
  std::vector<Listener> listeners;
  for (const std::string& text : options.listen_addresses) {
    const Result<ListenAddress> address = parse_listen_address(text);
    if (!address) return address.error();
    Result<Listener> listener = listen_on(*address);
    if (!listener) return listener.error();
    listeners.push_back(std::move(*listener));
  }
  return listeners;
}

}  // namespace

Result<WebServer> WebServer::start(const ServerOptions& options, Routes routes,
                                   std::unique_ptr<WebConfigWatcher> configs) {
  auto running = std::make_unique<Running>(options, std::move(routes), std::move(configs));
  running->serve_by(running->config);
  const bool tls = running->config->tls != nullptr;
  Result<std::vector<Listener>> listeners = open_listeners(options);
  if (!listeners) return listeners.error();
  // One more, which no client connects to, wakes the thread that waits for connections.
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  // CivetWeb closes what it listens on when it stops, maybe before a write to it has returned.
  UniqueFd waited_for(wake ? ::fcntl(wake.get(), F_DUPFD_CLOEXEC, 0) : -1);
  if (!waited_for) return errno_error("make an eventfd", errno);
  std::vector<kvmx_listener> sockets = {{waited_for.get(), 0}};
  for (const Listener& listener : *listeners)
    sockets.push_back({listener.socket.get(), tls && !listener.is_unix ? 1 : 0});

  const std::string threads = std::to_string(options.threads);
  // The port says no more than that TLS is to be set up.
  const char* settings[] = {"listening_ports",
                            tls ? "443s" : "80",
                            "num_threads",
                            threads.c_str(),
                            "request_timeout_ms",
                            "10000",
                            "enable_keep_alive",
                            "yes",
                            "keep_alive_timeout_ms",
                            "120000",
                            "tcp_nodelay",
                            "1",
                            "decode_url",
                            "no",
                            "access_control_allow_methods",
                            "",
                            nullptr};
  const mg_callbacks callbacks = Running::callbacks();
  // OpenSSL takes 2 MB of memory once it is set up.
  mg_init_library(tls ? MG_FEATURES_TLS : MG_FEATURES_DEFAULT);
  running->civetweb = kvmx_civetweb_start(&callbacks, running.get(), settings, sockets.data(),
                                          static_cast<unsigned>(sockets.size()));
  if (!running->civetweb) return Error{"cannot start the web server: " + last_civetweb_message};
  // Those that serve, and the one that accepts connections.
  if (!running->wait_for_threads(options.threads + 1))
    spdlog::warn("the web server has {} of {} threads", running->threads_begun,
                 options.threads + 1);
  running->wake = std::move(wake);
  static_cast<void>(waited_for.release());  // CivetWeb closes them all
  for (Listener& listener : *listeners) static_cast<void>(listener.socket.release());
  return WebServer(std::move(running));
}

WebServer::WebServer(std::unique_ptr<Running> running) : running_(std::move(running)) {}
WebServer::WebServer(WebServer&&) noexcept = default;
WebServer& WebServer::operator=(WebServer&&) noexcept = default;
WebServer::~WebServer() = default;

void WebServer::housekeep(bool reload) {
  running_->connections.housekeep();
  const Result<bool> renewed = running_->watcher->refresh(reload);
  if (!renewed) {
    spdlog::error("the web configuration stays as it was: {}", renewed.error().message);
  } else if (*renewed) {
    running_->serve_by(running_->watcher->current());
    spdlog::info("the web configuration has been read again");
  }
}

}  // namespace kvmx
