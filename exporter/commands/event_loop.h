// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <csignal>

#include "exporter/exporter.h"
#include "exporter/sandbox/sandbox.h"
#include "exporter/web/server.h"

namespace kvmx {

/// Blocks the signals that the event loop reads. To be called before any thread is made, so that
/// all threads leave them to it.
sigset_t block_signals();

/// Keeps house once a second and for every new vCPU, until SIGTERM or SIGINT; SIGHUP reads the web
/// configuration again. Tells the service manager how far it is. Enters the sandbox, if there is
/// one, once KVM's events are attached to and nothing is to be loaded any more: that takes
/// privileges.
Result<void> run_event_loop(Exporter& exporter, WebServer& server, const sigset_t& signals,
                            Sandbox* sandbox);

}  // namespace kvmx
