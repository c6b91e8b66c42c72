// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/App.hpp>
#include <chrono>
#include <cstdint>
#include <string>

namespace kvmx {

/// Adds a flag whose value is a number with a unit, such as 500ms or 10s, and at most `most`.
CLI::Option* add_duration_flag(CLI::App& app, const std::string& flag, std::uint64_t& milliseconds,
                               const std::string& fallback, std::chrono::hours most,
                               const std::string& help);

}  // namespace kvmx
