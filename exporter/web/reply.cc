// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/reply.h"

#include <civetweb.h>
#include <spdlog/fmt/fmt.h>

#include <chrono>
#include <ctime>
#include <exception>
#include <iterator>
#include <string_view>

#include "exporter/base/log.h"
#include "exporter/web/civetweb/civetweb_more.h"

namespace kvmx {
namespace {

/// A client that took longer than this to take a response may have no other over its connection:
/// one that asks for many at once and takes them by and by would hold a thread for ever.
constexpr std::chrono::seconds kSlow(1);

/// The client is gone, or takes nothing any more: no failure of ours.
struct ClientGone {};

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[64];
  return {text, std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &utc)};
}

/// One response on its way.
class Reply {
 public:
  Reply(mg_connection* connection, const Response& response, const Headers& extra,
        Connections& connections)
      : connection_(connection),
        request_(*mg_get_request_info(connection)),
        connections_(connections) {
    // A body of the request that nobody reads would be taken for the next request.
    const bool has_body =
        request_.content_length > 0 || mg_get_header(connection, "Transfer-Encoding") != nullptr;
    const char* wish = mg_get_header(connection, "Connection");
    keep_alive_ = http_1_1() && !has_body && !response.close &&
                  (wish == nullptr || mg_strcasecmp(wish, "close") != 0);
    if (!keep_alive_) mg_disable_connection_keep_alive(connection);
    out_ =
        fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\nContent-Type: {}\r\nCache-Control: no-store\r\n",
                    response.status, mg_get_response_code_text(connection, response.status),
                    http_date(), response.content_type);
    for (const Headers* headers : {&response.headers, &extra})
      for (const auto& [name, value] : *headers) out_ += name + ": " + value + "\r\n";
    if (!keep_alive_) out_ += "Connection: close\r\n";
  }

  void send(const Response& response) {
    if (std::string_view(request_.request_method) == "HEAD") {
      if (!response.write_body) tell_length(response.body.size());
      out_ += "\r\n";
      flush();
    } else if (!response.write_body) {
      send_whole(response.body);
    } else {
      response.write_body([this](std::string_view piece) { take(piece); });
      if (chunked_) {
        send_chunk({});
      } else {
        send_whole(first_);
      }
    }
  }

 private:
  [[nodiscard]] bool http_1_1() const { return std::string_view(request_.http_version) == "1.1"; }

  /// Holds the first piece back: it may be all there is.
  void take(std::string_view piece) {
    if (piece.empty()) return;
    if (!chunked_ && first_.empty()) {
      first_ = piece;
      return;
    }
    if (!chunked_) begin_chunks();
    send_chunk(piece);
  }

  void begin_chunks() {
    chunked_ = true;
    out_ += http_1_1() ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n";
    send_chunk(first_);
    first_.clear();
  }

  /// An empty chunk is the last one. HTTP/1.0 knows no chunks: there the connection's end tells.
  void send_chunk(std::string_view piece) {
    if (http_1_1()) fmt::format_to(std::back_inserter(out_), "{:x}\r\n", piece.size());
    out_ += piece;
    if (http_1_1()) out_ += "\r\n";
    flush();
  }

  void tell_length(std::size_t size) { out_ += fmt::format("Content-Length: {}\r\n", size); }

  void send_whole(std::string_view body) {
    tell_length(body.size());
    out_ += "\r\n";
    out_ += body;
    flush();
  }

  void flush() {
    const auto began = std::chrono::steady_clock::now();
    const int socket = kvmx_civetweb_socket(connection_);
    connections_.begin_write(socket);
    const int written = mg_write(connection_, out_.data(), out_.size());
    connections_.end_write(socket);
    if (written != static_cast<int>(out_.size())) throw ClientGone();
    out_.clear();
    waited_ += std::chrono::steady_clock::now() - began;
    if (waited_ > kSlow) mg_disable_connection_keep_alive(connection_);
  }

  mg_connection* connection_;
  const mg_request_info& request_;
  Connections& connections_;
  bool keep_alive_ = false;
  bool chunked_ = false;
  std::chrono::steady_clock::duration waited_{};  ///< for the client
  std::string first_;
  std::string out_;  ///< what is to be written next, in one system call
};

}  // namespace

void reply(mg_connection* connection, const Response& response, const Headers& extra,
           Connections& connections) noexcept {
  try {
    Reply(connection, response, extra, connections).send(response);
    return;
  } catch (const ClientGone&) {
    spdlog::debug("a client has gone before it had its response");
  } catch (const std::exception& error) {
    spdlog::error("a response failed half way: {}", error.what());
  }
  mg_disable_connection_keep_alive(connection);
}

void reply_without_request(mg_connection* connection, const Response& response) noexcept {
  try {
    std::string out = fmt::format(
        "HTTP/1.1 {} {}\r\nDate: {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: "
        "close\r\n",
        response.status, mg_get_response_code_text(connection, response.status), http_date(),
        response.content_type, response.body.size());
    for (const auto& [name, value] : response.headers) out += name + ": " + value + "\r\n";
    out += "\r\n" + response.body;
    mg_write(connection, out.data(), out.size());
  } catch (const std::exception& error) {
    spdlog::error("a response failed: {}", error.what());
  }
  mg_disable_connection_keep_alive(connection);
}

}  // namespace kvmx
