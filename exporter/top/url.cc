// SPDX-License-Identifier: Apache-2.0
#include "exporter/top/url.h"

#include <algorithm>
#include <array>

namespace kvmx {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr std::string_view kHttp = "http://";
constexpr std::string_view kHttps = "https://";
constexpr std::string_view kPort = "10177";

Error refuse(std::string_view text) {
  return Error{"\"" + std::string(text) +
               "\" is not the address of an exporter: give http://HOST:PORT, https://HOST:PORT or "
               "unix:/PATH"};
}

/// What would end a line or a word of the request.
bool is_odd(char c) { return c <= ' ' || c == '\x7f' || c == '@' || c == '?' || c == '#'; }

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// Splits "[::1]:1", "host:1", "host".
bool split_authority(std::string_view authority, Url& url) {
  std::string_view port = kPort;
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos) return false;
    url.host = authority.substr(1, end - 1);
    const std::string_view rest = authority.substr(end + 1);
    if (!rest.empty() && !rest.starts_with(':')) return false;
    if (!rest.empty()) port = rest.substr(1);
  } else {
    const std::size_t colon = authority.find(':');
    url.host = authority.substr(0, colon);
    if (colon != std::string_view::npos) port = authority.substr(colon + 1);
  }
  url.port = port;
  return !url.host.empty() && is_port(port);
}

std::string without_page(std::string_view path) {
  constexpr std::array<std::string_view, 3> kPages = {"/metrics", "/vm", "/summary.json"};
  while (path.ends_with('/')) path.remove_suffix(1);
  for (const std::string_view page : kPages)
    if (path.ends_with(page)) return std::string(path.substr(0, path.size() - page.size()));
  return std::string(path);
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
  Url url;
  if (std::ranges::any_of(text, is_odd)) return refuse(text);
  if (text.starts_with(kUnix)) {
    url.unix_path = text.substr(kUnix.size());
    url.host = "localhost";
    return url.unix_path.starts_with('/') ? Result<Url>(url) : refuse(text);
  }
  url.tls = text.starts_with(kHttps);
  std::string_view rest = text;
  if (url.tls) {
    rest.remove_prefix(kHttps.size());
  } else if (rest.starts_with(kHttp)) {
    rest.remove_prefix(kHttp.size());
  }
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  if (!split_authority(rest.substr(0, slash), url)) return refuse(text);
  url.path = without_page(rest.substr(slash));
  return url;
}

}  // namespace kvmx
