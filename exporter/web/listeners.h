// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "exporter/base/result.h"
#include "exporter/base/unique_fd.h"
#include "exporter/web/address.h"

namespace kvmx {

/// A socket that connections are accepted on.
struct Listener {
  UniqueFd socket;
  bool is_unix = false;  ///< then it is never served by TLS
};

/// Listens on an address. A unix socket that nobody listens on any more is replaced; nothing else
/// that is at its path is touched. The error says what keeps the address from being used.
Result<Listener> listen_on(const ListenAddress& address);

/// The sockets that systemd has opened for this process (systemd.socket(5)). An error if there are
/// none, or one is not a socket that connections can be accepted on.
Result<std::vector<Listener>> inherited_listeners();

}  // namespace kvmx
