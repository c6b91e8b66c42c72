// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "exporter/names/isa.h"

namespace kvmx {

/// The host as KVM is set up on it. Texts are the kernel's own; empty where it has none.
struct HostInfo {
  Isa isa = Isa::other;          ///< see find_isa()
  std::string kernel;            ///< release, as `uname -r` prints it
  std::string preemption_timer;  ///< kvm_intel's parameter: Y or N
  std::string halt_poll_ns;      ///< kvm's parameter
  std::uint32_t cpus = 0;        ///< online
};

}  // namespace kvmx
