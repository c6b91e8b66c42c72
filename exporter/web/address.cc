// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/address.h"

#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace kvmx {
namespace {

constexpr std::string_view kUnix = "unix:";

bool is_port(std::string_view text) {
  unsigned number = 0;
  const char* const end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && last == end && number > 0 && number <= 65535;
}

Error not_an_address(const std::string& address) {
  return Error{"\"" + address +
               "\" is not an address to listen on: give HOST:PORT, such as :10177, "
               "127.0.0.1:10177 or [::1]:10177, or unix:/PATH"};
}

/// CivetWeb's list is split at commas, and it looks for a ':' in what is not a port.
Result<std::string> unix_socket(const std::string& address) {
  const std::string path = address.substr(kUnix.size());
  if (!path.starts_with('/') || path.find_first_of(":,") != std::string::npos)
    return Error{
        "\"" + address +
        "\" is not a unix socket to listen on: give unix:/PATH, without commas and colons"};
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    return Error{"the path in \"" + address + "\" is too long for a unix socket: at most " +
                 std::to_string(sizeof(sockaddr_un::sun_path) - 1) + " bytes"};
  return "x" + path;
}

Result<std::string> tcp_port(const std::string& address, bool host_has_ipv6) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos || address.find_first_of(", ") != std::string::npos ||
      !is_port(std::string_view(address).substr(colon + 1)))
    return not_an_address(address);
  const std::string host = address.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (!bracketed && host.find_first_of(":[]") != std::string::npos) return not_an_address(address);
  if (!host.empty() && host != "[::]") return address;
  return (host_has_ipv6 ? "+" : "") + address.substr(colon + 1);
}

}  // namespace

Result<std::string> civetweb_ports(const std::vector<std::string>& addresses, bool tls,
                                   bool host_has_ipv6) {
  std::string ports;
  std::string sockets;
  for (const std::string& address : addresses) {
    const bool is_unix = address.starts_with(kUnix);
    const Result<std::string> port =
        is_unix ? unix_socket(address) : tcp_port(address, host_has_ipv6);
    if (!port) return port.error();
    // Unix sockets come last: CivetWeb would take them for hosts if there were a ':' behind them.
    (is_unix ? sockets : ports) += "," + *port + (tls && !is_unix ? "s" : "");
  }
  return (ports + sockets).substr(1);
}

}  // namespace kvmx
