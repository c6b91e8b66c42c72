// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/listeners.h"

#include <netdb.h>
#include <netinet/in.h>
#include <nss.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "exporter/base/service_manager.h"

namespace kvmx {
namespace {

/// Connections that wait to be accepted; the kernel may allow fewer (net.core.somaxconn).
constexpr int kBacklog = 512;

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

std::string text_of(const ListenAddress& address) {
  const bool is_ipv6 = address.host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

UniqueFd stream_socket(int family) {
  return UniqueFd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

/// What a client that does not read may have waiting for it in the kernel. Without a limit that
/// grows to megabytes for each.
constexpr int kSendBuffer = 128 * 1024;

Result<Listener> bind_and_listen(UniqueFd socket, const sockaddr* where, socklen_t size,
                                 const std::string& text) {
  if (::bind(socket.get(), where, size) != 0) {
    Error error = errno_error("listen on " + text, errno);
    if (errno == EADDRINUSE)
      error.message +=
          ": is another exporter running there? Choose another address with --web.listen-address";
    return error;
  }
  // Connections inherit it.
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof(kSendBuffer));
  if (::listen(socket.get(), kBacklog) != 0) return errno_error("listen on " + text, errno);
  return Listener{std::move(socket), where->sa_family == AF_UNIX};
}

/// One socket for IPv6 and IPv4 alike where the host has both.
Result<Listener> listen_on_every_address(const ListenAddress& address) {
  if (UniqueFd socket = stream_socket(AF_INET6)) {
    const int on = 1;
    const int off = 0;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    any.sin6_port = htons(address.port);
    return bind_and_listen(std::move(socket), reinterpret_cast<const sockaddr*>(&any), sizeof(any),
                           text_of(address));
  }
  return listen_on({.host = "0.0.0.0", .port = address.port, .path = ""});
}

/// A static program has the modules of NSS that the C library has in itself. Others it would load
/// from the host, and they need the C library that it was linked with.
void use_own_name_services() {
  const bool has_loader = ::getauxval(AT_BASE) != 0;
  if (!has_loader) ::__nss_configure_lookup("hosts", "files dns");
}

Result<Listener> listen_on_tcp(const ListenAddress& address) {
  if (address.host.empty()) return listen_on_every_address(address);
  use_own_name_services();
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failed =
      ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  const Addresses addresses(failed == 0 ? found : nullptr);
  if (failed != 0)
    return Error{"cannot listen on " + text_of(address) + ": \"" + address.host +
                 "\" does not resolve to an address (" + ::gai_strerror(failed) + ")"};
  // As Go's servers do: of several addresses the first of IPv4, if there is one.
  const addrinfo* chosen = addresses.get();
  for (const addrinfo* each = addresses.get(); each; each = each->ai_next)
    if (each->ai_family == AF_INET) {
      chosen = each;
      break;
    }
  UniqueFd socket = stream_socket(chosen->ai_family);
  if (!socket) return errno_error("listen on " + text_of(address), errno);
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (chosen->ai_family == AF_INET6)
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  return bind_and_listen(std::move(socket), chosen->ai_addr, chosen->ai_addrlen, text_of(address));
}

/// Makes way for a unix socket: removes one that nobody listens on.
Result<void> remove_stale_socket(const std::string& path, const sockaddr_un& where) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0)
    return errno == ENOENT ? Result<void>() : errno_error("look at " + path, errno);
  if (!S_ISSOCK(found.st_mode))
    return Error{
        "cannot listen on " + path +
        ": something that is no socket is there, and stays there. Choose another path with "
        "--web.listen-address"};
  // Asked by a datagram socket. To a stream socket one that is bound but does not listen yet looks
  // as if nobody had it; of another type, the kernel says so only if nobody has.
  const UniqueFd client(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!client) return errno_error("make a socket", errno);
  const int connected =
      ::connect(client.get(), reinterpret_cast<const sockaddr*>(&where), sizeof(where));
  if (connected == 0 || errno != ECONNREFUSED)
    return Error{"cannot listen on " + path +
                 ": another process has this socket. Choose another path with "
                 "--web.listen-address"};
  if (::unlink(path.c_str()) != 0) return errno_error("remove the stale socket " + path, errno);
  return {};
}

Result<Listener> listen_on_unix(const std::string& path) {
  sockaddr_un where{};
  where.sun_family = AF_UNIX;
  path.copy(where.sun_path, sizeof(where.sun_path) - 1);
  if (Result<void> free = remove_stale_socket(path, where); !free) return free.error();
  UniqueFd socket = stream_socket(AF_UNIX);
  if (!socket) return errno_error("listen on " + path, errno);
  return bind_and_listen(std::move(socket), reinterpret_cast<const sockaddr*>(&where),
                         sizeof(where), path);
}

}  // namespace

Result<Listener> listen_on(const ListenAddress& address) {
  return address.port == 0 ? listen_on_unix(address.path) : listen_on_tcp(address);
}

Result<std::vector<Listener>> inherited_listeners() {
  std::vector<Listener> listeners;
  for (UniqueFd& socket : service_manager::inherited_sockets()) {
    int accepts = 0;
    int family = 0;
    socklen_t size = sizeof(accepts);
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) != 0 ||
        ::getsockopt(socket.get(), SOL_SOCKET, SO_DOMAIN, &family, &size) != 0 || accepts == 0)
      return Error{
          "--web.systemd-socket: systemd gave a descriptor that is no listening stream socket. Use "
          "ListenStream= with Accept=no in the .socket unit"};
    listeners.push_back({std::move(socket), family == AF_UNIX});
  }
  if (listeners.empty())
    return Error{
        "--web.systemd-socket: systemd gave no socket. Start the exporter by a .socket unit, or "
        "give --web.listen-address instead"};
  return listeners;
}

}  // namespace kvmx
