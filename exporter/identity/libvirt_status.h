// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kvmx {

/// What libvirt notes of a domain that runs. Raw (see label_value()); all but the first two may be
/// empty.
struct LibvirtStatus {
  std::uint32_t pid = 0;  ///< of the VMM
  std::string name;       ///< the domain's
  std::string uuid;       ///< canonical form
  std::string title;      ///< what its owner calls it: <title>
  std::string nova_name;  ///< what OpenStack's user calls it: nova's metadata

  bool operator==(const LibvirtStatus&) const = default;
};

/// Reads the status file of a domain, /run/libvirt/qemu/NAME.xml or /run/libvirt/ch/NAME.xml.
/// Nothing if it is no such file. Pure; any input is fine: a document with a DOCTYPE, and so with
/// entities to expand, is refused, and time and memory are linear in the size of `xml`.
std::optional<LibvirtStatus> parse_libvirt_status(std::string_view xml);

}  // namespace kvmx
