// SPDX-License-Identifier: Apache-2.0
#include "exporter/base/service_manager.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <string_view>

namespace kvmx::service_manager {
namespace {

UniqueFd& manager() {
  static UniqueFd socket;
  return socket;
}

/// libsystemd's sd_notify() makes a socket for each message. Once the sandbox is entered no socket
/// can be made, and none can send to another address than it is connected to.
void notify(const std::string& message) {
  if (manager()) ::send(manager().get(), message.data(), message.size(), MSG_NOSIGNAL);
}

/// A variable of the environment that is a number.
std::optional<int> number(const char* name) {
  const char* value = std::getenv(name);
  if (!value) return std::nullopt;
  const std::string_view text(value);
  int result = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return result;
}

/// The first descriptor that a service is given.
constexpr int kFirstInherited = 3;

}  // namespace

void connect() {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  if (!path || (path[0] != '/' && path[0] != '@')) return;
  const std::string_view name(path);
  if (name.size() >= sizeof(address.sun_path)) return;
  address.sun_family = AF_UNIX;
  name.copy(address.sun_path, name.size());
  if (path[0] == '@') address.sun_path[0] = '\0';  // an abstract address has no file
  UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0)
    manager() = std::move(socket);
}

void ready(const std::string& status) { notify("READY=1\nSTATUS=" + status); }

void alive() { notify("WATCHDOG=1"); }

void stopping() { notify("STOPPING=1"); }

std::vector<UniqueFd> inherited_sockets() {
  std::vector<UniqueFd> sockets;
  // Whoever starts this process by a shell has passed the variables on; the sockets are not for it.
  const int count = number("LISTEN_PID") == ::getpid() ? number("LISTEN_FDS").value_or(0) : 0;
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
  for (int fd = kFirstInherited; fd - kFirstInherited < count; ++fd) {
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) break;  // there are no more
    sockets.emplace_back(fd);
  }
  return sockets;
}

}  // namespace kvmx::service_manager
