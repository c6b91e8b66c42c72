// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>

namespace kvmx {

/// The directory of KVM's events in tracefs, wherever that is mounted; nothing if it is not.
std::optional<std::filesystem::path> kvm_events_directory();

}  // namespace kvmx
