// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace kvmx {

/// For --version: of this build, of its libraries, and what the running kernel offers to count.
std::string about();

}  // namespace kvmx
