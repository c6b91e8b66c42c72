// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "exporter/base/result.h"

namespace kvmx {

/// Addresses to listen on, as users write them, as one list for CivetWeb: ":10177" and "[::]:10177"
/// listen on every address, of IPv6 and IPv4 alike where the host has both; "127.0.0.1:10177",
/// "[::1]:10177" or "localhost:10177" on one; "unix:/run/kvm_exit_exporter.sock" on a unix socket,
/// which never has TLS. The error says what is wrong with which.
Result<std::string> civetweb_ports(const std::vector<std::string>& addresses, bool tls,
                                   bool host_has_ipv6);

}  // namespace kvmx
