// SPDX-License-Identifier: Apache-2.0
#ifndef KVMX_GUEST_EXIT_NAMES_H
#define KVMX_GUEST_EXIT_NAMES_H

#include <cstdint>
#include <string>

namespace kvmx::guest {

// "KVM_EXIT_IO" and so on, as in <linux/kvm.h>; "KVM_EXIT_<number>" for one
// that is newer than that.
[[nodiscard]] std::string exit_name(std::uint32_t reason);

// "EINTR" and so on.
[[nodiscard]] std::string errno_name(int number);

// "0x6e0".
[[nodiscard]] std::string hex(std::uint64_t value);

}  // namespace kvmx::guest

#endif
