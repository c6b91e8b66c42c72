// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spdlog/spdlog.h>

#include <string_view>

namespace kvmx {

enum class LogFormat { logfmt, json };

/// Sends the log (spdlog::info and so on) to standard error, one line an event, dropping what would
/// have to wait for its reader:
///     time=2026-01-02T03:04:05.678Z level=info msg="..."
///     {"time":"2026-01-02T03:04:05.678Z","level":"info","msg":"..."}
/// `level` is debug, info, warn or error.
void start_log(std::string_view level, LogFormat format);

}  // namespace kvmx
