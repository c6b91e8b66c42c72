// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "exporter/flags.h"

namespace kvmx {

/// The manual page kvm_exit_exporter(8), in roff.
std::string manual_page(const FlagReference& reference);

/// Completion of the command line, for bash (bash-completion) and zsh.
std::string bash_completion(const FlagReference& reference);
std::string zsh_completion(const FlagReference& reference);

}  // namespace kvmx
