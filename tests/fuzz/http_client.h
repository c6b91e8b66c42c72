// SPDX-License-Identifier: Apache-2.0
// A client that sends anything over a unix socket, and reads responses as strictly as RFC 9112 has
// it.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "exporter/base/unique_fd.h"
#include "tests/fuzz/require.h"

namespace kvmx {

/// One response, without its header.
struct Answer {
  int status = 0;
  std::string body;
};

/// Waits for what may be done with a socket.
inline void await(int socket, short what) {
  constexpr int kPatienceMs = 20'000;
  pollfd waited{.fd = socket, .events = what, .revents = 0};
  require(::poll(&waited, 1, kPatienceMs) == 1, "the server goes on");
}

/// Sends all of it, in pieces of `piece` bytes, and says that no more will come; returns all that
/// the server sends until it closes the connection.
inline std::string exchange(const std::string& path, std::string_view request, std::size_t piece) {
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  require(
      ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0,
      "the server accepts connections");
  std::string received;
  const auto receive = [&](int flags) {
    char buffer[16384];
    const ssize_t got = ::recv(socket.get(), buffer, sizeof(buffer), flags);
    if (got > 0) received.append(buffer, static_cast<std::size_t>(got));
    return got > 0;
  };
  while (!request.empty()) {
    const std::size_t size = std::min(piece, request.size());
    const ssize_t sent = ::send(socket.get(), request.data(), size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      request.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      await(socket.get(), POLLIN | POLLOUT);
      receive(MSG_DONTWAIT);
    } else {
      break;  // refused: the server has closed the connection
    }
  }
  ::shutdown(socket.get(), SHUT_WR);
  do await(socket.get(), POLLIN);
  while (receive(0));
  return received;
}

/// A number at the beginning of a text.
inline std::size_t take_number(std::string_view text, int base) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  require(error == std::errc() && end == text.data() + text.size(), "a length is a number");
  return number;
}

inline std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find("\r\n");
  require(end != std::string_view::npos, "a line has an end");
  const std::string_view line = text.substr(0, end);
  for (const char c : line)
    require(static_cast<unsigned char>(c) >= ' ' && c != '\x7f',
            "a line has no control characters");
  text.remove_prefix(end + 2);
  return line;
}

inline std::string take_chunks(std::string_view& text) {
  std::string body;
  while (true) {
    const std::size_t size = take_number(take_line(text), 16);
    require(text.size() >= size + 2 && text.substr(size, 2) == "\r\n", "a chunk is whole");
    body += text.substr(0, size);
    text.remove_prefix(size + 2);
    if (size == 0) return body;
  }
}

/// Takes a response from the beginning of what was received. `maybe_head`: it may be one to HEAD,
/// which has no body.
inline Answer take_answer(std::string_view& text, bool maybe_head) {
  Answer answer;
  const std::string_view status = take_line(text);
  require(status.starts_with("HTTP/1.1 ") && status.size() > 13 && status[12] == ' ',
          "a status line has its form");
  answer.status = static_cast<int>(take_number(status.substr(9, 3), 10));
  require(answer.status >= 200 && answer.status < 600, "a status is one");
  std::optional<std::size_t> length;
  bool chunked = false, closed = false;
  for (std::string_view line = take_line(text); !line.empty(); line = take_line(text)) {
    const std::size_t colon = line.find(": ");
    require(colon != 0 && colon != line.npos, "a header has a name and a value");
    const std::string_view name = line.substr(0, colon), value = line.substr(colon + 2);
    if (name == "Content-Length") {
      require(!length, "one length is told");
      length = take_number(value, 10);
    }
    if (name == "Transfer-Encoding") chunked = value == "chunked";
    if (name == "Connection") closed = value == "close";
  }
  require(!(length && chunked), "a body has one form");
  const bool headless = maybe_head && (text.empty() || text.starts_with("HTTP/1.1 "));
  if (headless) return answer;
  if (chunked) {
    answer.body = take_chunks(text);
  } else if (length) {
    require(text.size() >= *length, "a body is whole");
    answer.body = text.substr(0, *length);
    text.remove_prefix(*length);
  } else {
    require(closed, "a body without a length ends with the connection");
    answer.body = text;
    text = {};
  }
  require(!closed || text.empty(), "nothing follows the last response");
  return answer;
}

}  // namespace kvmx
