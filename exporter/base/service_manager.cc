// SPDX-License-Identifier: Apache-2.0
#include "exporter/base/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <algorithm>

#include <cstddef>
#include <cstdlib>
#include <string_view>

namespace kvmx::service_manager {
namespace {

UniqueFd& manager() {
  static UniqueFd socket;
  return socket;
}

/// sd_notify() makes a socket for each message. Once the sandbox is entered no socket can be made,
/// and none can send to another address than it is connected to.
void notify(const std::string& message) {
  if (manager()) ::send(manager().get(), message.data(), message.size(), MSG_NOSIGNAL);
}

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
  const int count = sd_listen_fds(1);
  sockets.reserve(static_cast<std::size_t>(std::max(count, 0)));
  for (int i = 0; i < count; ++i) sockets.emplace_back(SD_LISTEN_FDS_START + i);
  return sockets;
}

}  // namespace kvmx::service_manager
