// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "exporter/base/result.h"
#include "exporter/base/vm_key.h"

namespace kvmx {

/// A VM of this host that somebody named.
struct FoundVm {
  VmKey key;
  std::string label;      ///< as the exporter gives it
  std::size_t vcpus = 0;  ///< of all VMs of its process
  std::size_t vms = 0;    ///< of its process
};

/// The VM with this label, name, title, UUID or process id. The error says which VMs there are.
Result<FoundVm> find_vm(const std::string& name);

/// Whether its process still has a vCPU, as far as can be known.
bool vm_exists(const VmKey& vm);

}  // namespace kvmx
