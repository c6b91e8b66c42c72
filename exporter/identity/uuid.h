// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace kvmx {

/// A UUID in its canonical form of 36 characters with lower-case digits, or "" if `text` is none.
/// QEMU and Cloud Hypervisor accept no other form.
std::string canonical_uuid(std::string_view text);

}  // namespace kvmx
