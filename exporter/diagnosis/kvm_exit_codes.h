// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

/// Userspace exits that the diagnosis knows something about: KVM_EXIT_* of
/// include/uapi/linux/kvm.h, which never change.
namespace kvmx::kvm_exit {

inline constexpr std::uint32_t kIo = 2;
inline constexpr std::uint32_t kHlt = 5;
inline constexpr std::uint32_t kMmio = 6;
inline constexpr std::uint32_t kIntr = 10;
inline constexpr std::uint32_t kX86Rdmsr = 29;
inline constexpr std::uint32_t kX86Wrmsr = 30;
inline constexpr std::uint32_t kApResetHold = 32;

}  // namespace kvmx::kvm_exit
