// SPDX-License-Identifier: Apache-2.0
#include "exporter/sandbox/sandbox.h"

#include "exporter/base/log.h"
#include "exporter/sandbox/capabilities.h"
#include "exporter/sandbox/seccomp.h"

namespace kvmx {

void enter_sandbox() {
  const Result<std::string> kept = drop_capabilities();
  if (!kept) spdlog::warn("{}: this process keeps its privileges", kept.error().message);
  const Result<void> restricted = restrict_system_calls();
  if (!restricted)
    spdlog::warn("{}: this process may make any system call", restricted.error().message);
  if (kept && restricted)
    spdlog::info("gave up {} and all system calls that are not needed any more",
                 kept->empty() ? "all capabilities" : "all capabilities but " + *kept);
}

}  // namespace kvmx
