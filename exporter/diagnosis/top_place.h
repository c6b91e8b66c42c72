// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "exporter/counts/vm_counts.h"

namespace kvmx {

/// The port or page that has most of a VM's accesses.
struct TopPlace {
  IoSpace space = IoSpace::port;
  std::uint64_t address = 0;
  bool write = false;  ///< it is written more often than it is read
  double rate = 0;     ///< by the second
  double share = 0;    ///< of all ports, or of all pages
};

}  // namespace kvmx
