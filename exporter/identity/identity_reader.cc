// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/identity_reader.h"

#include <optional>
#include <string>

#include "exporter/identity/command_line.h"

namespace kvmx {

VmIdentity IdentityReader::read(std::uint32_t pid) const {
  const std::optional<std::string> command_line = proc_.read_cmdline(pid);
  return command_line ? identify(*command_line).value_or(VmIdentity()) : VmIdentity();
}

}  // namespace kvmx
