// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/App.hpp>

#include "exporter/options.h"

namespace kvmx {

/// Adds the command `profile` with its flags, which set `options`. Returns it.
CLI::App* add_profile_command(CLI::App& app, ProfileOptions& options);

}  // namespace kvmx
