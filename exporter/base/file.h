// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

#include "exporter/base/result.h"

namespace kvmx {

/// The first `limit` bytes of a file. Works for /proc and /sys, whose sizes are not known before
/// they are read. The error names the path.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit = 1 << 20);

/// The whole of a regular file. Anything else, such as a FIFO, is refused without waiting for it,
/// and so is a file of more than `limit` bytes.
Result<std::string> read_regular_file(const std::filesystem::path& path, std::size_t limit);

/// The first line of a file without its newline, or nothing if it cannot be read: for parameters
/// under /sys that a kernel may not have.
std::optional<std::string> read_line(const std::filesystem::path& path);

}  // namespace kvmx
