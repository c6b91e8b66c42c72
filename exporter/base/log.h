// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spdlog/spdlog.h>

#include <string_view>

namespace kvmx {

/// Sends the log (spdlog::info and so on) to standard error in logfmt, one line an event:
/// time=2026-01-02T03:04:05.678Z level=info msg="...". `level` is debug, info, warn or error.
void start_log(std::string_view level);

}  // namespace kvmx
