// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/App.hpp>
#include <map>
#include <string>
#include <vector>

#include "exporter/options.h"

namespace kvmx {

/// The words that a flag may be set to, for completion.
using FlagChoices = std::map<const CLI::Option*, std::vector<std::string>>;

/// Adds the command `top` with its flags, which set `options`. Returns it.
CLI::App* add_top_command(CLI::App& app, TopOptions& options, FlagChoices& choices);

}  // namespace kvmx
