// SPDX-License-Identifier: Apache-2.0
#include "exporter/base/stderr_sink.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string>

namespace kvmx {

void StderrSink::sink_it_(const spdlog::details::log_msg& message) {
  if (dropped_ != 0) {
    const std::string text =
        std::to_string(dropped_) + " messages were dropped: nobody read standard error";
    spdlog::details::log_msg report(message.logger_name, spdlog::level::warn, text);
    if (write_line(report)) dropped_ = 0;
  }
  if (dropped_ != 0 || !write_line(message)) ++dropped_;
}

bool StderrSink::write_line(const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t line;
  formatter_->format(message, line);
  std::string_view left(line.data(), line.size());
  while (!left.empty()) {
    const std::string_view piece = left.substr(0, PIPE_BUF);
    if (!write_piece(piece)) return false;
    left.remove_prefix(piece.size());
  }
  return true;
}

/// At most PIPE_BUF bytes: a pipe that can be written to takes that much without blocking
/// (pipe(7)). The descriptor itself is not made non-blocking, for it is shared with other
/// processes.
bool StderrSink::write_piece(std::string_view piece) const {
  const ssize_t sent = ::send(fd_, piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0 || errno != ENOTSOCK) return sent == static_cast<ssize_t>(piece.size());
  pollfd ready{fd_, POLLOUT, 0};
  if (::poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) return false;
  return ::write(fd_, piece.data(), piece.size()) == static_cast<ssize_t>(piece.size());
}

}  // namespace kvmx
