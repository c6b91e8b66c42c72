// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "exporter/base/unique_fd.h"

/// What a service manager such as systemd is told, for a unit of Type=notify, and what it gives.
/// Both protocols are stable and small, so libsystemd is not needed: sd_notify(3),
/// sd_listen_fds(3). Where there is no manager ($NOTIFY_SOCKET is not set) nothing is told, and
/// that is no error.
namespace kvmx::service_manager {

/// Opens the way to it. To be called before sockets cannot be made any more.
void connect();

/// The service does its work now. `status` is a line for people, shown by "systemctl status".
void ready(const std::string& status);

/// The service is still alive. To be called at least every half of the unit's WatchdogSec.
void alive();

void stopping();

/// The sockets that it has opened for this process. They are given once.
std::vector<UniqueFd> inherited_sockets();

}  // namespace kvmx::service_manager
