// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/address.h"

#include <sys/un.h>

#include <charconv>
#include <optional>
#include <string_view>

namespace kvmx {
namespace {

constexpr std::string_view kUnix = "unix:";

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || last != end || number == 0) return std::nullopt;
  return number;
}

Error not_an_address(const std::string& address) {
  return Error{"\"" + address +
               "\" is not an address to listen on: give HOST:PORT, such as :10177, "
               "127.0.0.1:10177 or [::1]:10177, or unix:/PATH"};
}

Result<ListenAddress> parse_unix(const std::string& address) {
  const std::string path = address.substr(kUnix.size());
  if (!path.starts_with('/') || path.ends_with('/') || path.find('\0') != std::string::npos)
    return Error{"\"" + address + "\" is not a unix socket to listen on: give unix:/PATH"};
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    return Error{"the path in \"" + address + "\" is too long for a unix socket: at most " +
                 std::to_string(sizeof(sockaddr_un::sun_path) - 1) + " bytes"};
  return ListenAddress{.host = "", .port = 0, .path = path};
}

}  // namespace

Result<ListenAddress> parse_listen_address(const std::string& address) {
  if (address.starts_with(kUnix)) return parse_unix(address);
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) return not_an_address(address);
  const auto port = parse_port(std::string_view(address).substr(colon + 1));
  std::string host = address.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const bool bad_host =
      host.find_first_of(std::string_view("\0, /[]\t\n", 8)) != std::string::npos ||
      (!bracketed && host.find(':') != std::string::npos);
  if (!port || bad_host) return not_an_address(address);
  return ListenAddress{.host = host == "::" ? "" : host, .port = *port, .path = ""};
}

}  // namespace kvmx
