// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/scrape.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "exporter/base/clock.h"

namespace kvmx::bench {
namespace {

void check(bool good, const char* what) {
  if (!good) throw std::system_error(errno, std::generic_category(), what);
}

UniqueFd tcp_socket() {
  UniqueFd made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  check(static_cast<bool>(made), "socket");
  return made;
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

std::uint16_t free_port() {
  const UniqueFd probe = tcp_socket();
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  check(::bind(probe.get(), generic, size) == 0, "bind");
  check(::getsockname(probe.get(), generic, &size) == 0, "getsockname");
  return ntohs(address.sin_port);
}

template <typename T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

}  // namespace

ServedHost::ServedHost(const HostSize& size)
    : host_(size),
      reader_(monotonic_ns),
      handler_([this] { return refresh(); }, 0, {}),
      port_(free_port()) {
  const Routes routes = {
      {"/metrics", [this](const Request& request) { return handler_.answer(request); }}};
  server_ = std::make_unique<WebServer>(value_of(
      WebServer::start({.listen_addresses = {"127.0.0.1:" + std::to_string(port_)}, .threads = 4},
                       routes, value_of(WebConfigWatcher::open("")))));
}

std::shared_ptr<const Snapshot> ServedHost::refresh() {
  current_ = std::make_shared<const Snapshot>(host_.snapshot(reader_));
  return current_;
}

Client::Client(std::uint16_t port) : socket_(tcp_socket()), buffer_(64 * 1024, '\0') {
  const sockaddr_in address = loopback(port);
  check(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0,
        "connect");
}

std::size_t Client::scrape(const std::string& header) {
  const std::string request = "GET /metrics HTTP/1.1\r\nHost: bench\r\n" + header + "\r\n";
  check(::send(socket_.get(), request.data(), request.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(request.size()),
        "send");
  // A response of one piece tells its length. A longer one is in chunks, of which the last is
  // empty, and nothing comes after it.
  std::size_t got = receive();
  const std::string_view head(buffer_.data(), got);
  if (!head.starts_with("HTTP/1.1 200")) throw std::runtime_error(buffer_);
  const std::size_t body = head.find("\r\n\r\n") + 4;
  const std::size_t length = head.find("Content-Length: ");
  if (length != std::string_view::npos) {
    const std::size_t whole = body + std::stoul(buffer_.substr(length + 16));
    while (got < whole) got += receive();
    return got;
  }
  constexpr std::string_view kEnd = "\r\n0\r\n\r\n";
  std::string tail;
  for (std::size_t size = got;; size = receive(), got += size) {
    tail += buffer_.substr(size - std::min(size, kEnd.size()), std::min(size, kEnd.size()));
    if (tail.ends_with(kEnd)) return got;
    tail.erase(0, tail.size() - std::min(tail.size(), kEnd.size()));
  }
}

std::size_t Client::receive() {
  const ssize_t got = ::recv(socket_.get(), buffer_.data(), buffer_.size(), 0);
  if (got == 0) throw std::runtime_error("the server closed the connection");
  check(got > 0, "recv");
  return static_cast<std::size_t>(got);
}

}  // namespace kvmx::bench
