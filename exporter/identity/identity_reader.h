// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>

#include "exporter/identity/proc.h"
#include "exporter/identity/vm_identity.h"

namespace kvmx {

/// Where a host tells who its VMs are. Other places for tests.
struct HostPaths {
  std::filesystem::path proc = "/proc";
};

/// Reads who the VM of a process is.
class IdentityReader {
 public:
  explicit IdentityReader(const HostPaths& paths) : proc_(paths.proc) {}

  /// What can be told of the process with this id now. Empty fields where nothing is to be read;
  /// whether it is still the process that was meant is for the caller to find out afterwards.
  [[nodiscard]] VmIdentity read(std::uint32_t pid) const;

 private:
  Proc proc_;
};

}  // namespace kvmx
