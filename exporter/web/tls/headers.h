// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace kvmx {

/// Headers of a response, names and values, in the order in which they are sent.
using Headers = std::vector<std::pair<std::string, std::string>>;

}  // namespace kvmx
