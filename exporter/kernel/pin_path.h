// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "exporter/base/result.h"

namespace kvmx {

/// Whether nobody but this user and root can make the path of a pin directory lead to elsewhere:
/// every directory on the way, and every symbolic link, belongs to one of the two, and others may
/// not write to the directories, unless these are sticky. The directory itself, if it is there, is
/// for the caller to judge.
Result<void> check_way_to(const std::filesystem::path& pin_directory);

}  // namespace kvmx
