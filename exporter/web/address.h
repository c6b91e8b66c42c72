// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "exporter/base/result.h"

namespace kvmx {

/// An address to listen on: a TCP port, or a unix socket.
struct ListenAddress {
  std::string host;        ///< a name or an IP address without brackets; empty: every address
  std::uint16_t port = 0;  ///< 0: this is a unix socket
  std::string path;        ///< of the unix socket
};

/// Parses an address as users write it: HOST:PORT, [HOST]:PORT, :PORT or unix:/PATH. The error says
/// what is wrong with which.
Result<ListenAddress> parse_listen_address(const std::string& address);

}  // namespace kvmx
