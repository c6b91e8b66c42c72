// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace kvmx {

/// The text of --version: this build, its libraries, and which events this kernel lets it count.
std::string version_report();

}  // namespace kvmx
