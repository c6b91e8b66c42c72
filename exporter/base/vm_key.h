// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>

namespace kvmx {

/// One VM for as long as it lives. Process ids are reused; with their start time they are not. What
/// is counted of a VM, whether it lives and who it is are kept apart and joined by this key.
struct VmKey {
  std::uint32_t tgid = 0;
  std::uint64_t start_ns = 0;  ///< start of the process, ns since boot
  std::uint64_t kvm = 0;       ///< which VM of the process; 0 where the kernel has no BTF of KVM
  auto operator<=>(const VmKey&) const = default;  // NOLINT(modernize-use-nullptr): clang-tidy 14
};

}  // namespace kvmx
