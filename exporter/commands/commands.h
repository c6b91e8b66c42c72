// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exporter/base/result.h"
#include "exporter/options.h"

/// What the program can do: one function and one file a command. Each runs until its work is done.
/// The error is for the user, who sees it in the log; the exit status is 1 then.
///
/// To add a command (5 places): its function here and its file in this folder, listed in
/// CMakeLists.txt; its name in Command (options.h); what chooses it in flags.cc; its line in
/// main.cc.
namespace kvmx {

/// Counts KVM's events and serves them until a signal ends it.
Result<void> serve(const Options& options);

/// Removes what is pinned in options.pin_dir.
Result<void> unpin(const Options& options);

/// Shows guests and findings in the terminal, or prints them once, as options.top says.
Result<void> top(const Options& options);

/// Counts for a while which code of a guest makes it exit, as options.profile says, and prints it.
Result<void> profile(const Options& options);

}  // namespace kvmx
