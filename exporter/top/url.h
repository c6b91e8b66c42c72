// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "exporter/base/result.h"

namespace kvmx {

/// Where an exporter is.
struct Url {
  bool tls = false;
  std::string unix_path;  ///< of its socket; empty: host and port
  std::string host;       ///< without the brackets of IPv6
  std::string port;
  std::string path;  ///< under which a proxy serves it: "", or "/kvm" without a '/' at its end
};

/// Reads http://HOST[:PORT][/PATH], https://..., HOST:PORT and unix:/PATH, as --web.listen-address
/// has the last two. Without a port it is the exporter's own, 10177. A path that names the metrics
/// or another page of the exporter is no mistake: its last part is left out.
Result<Url> parse_url(std::string_view text);

}  // namespace kvmx
