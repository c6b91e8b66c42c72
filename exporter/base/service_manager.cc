// SPDX-License-Identifier: Apache-2.0
#include "exporter/base/service_manager.h"

#include <systemd/sd-daemon.h>

namespace kvmx::service_manager {

void ready(const std::string& status) { sd_notify(0, ("READY=1\nSTATUS=" + status).c_str()); }

void alive() { sd_notify(0, "WATCHDOG=1"); }

void stopping() { sd_notify(0, "STOPPING=1"); }

}  // namespace kvmx::service_manager
