// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kvmx {

/// What libvirt notes of a domain that runs. The texts are raw (see label_value()). All but the
/// first two may be empty.
struct LibvirtStatus {
  std::uint32_t pid = 0;   ///< of the VMM
  std::string name;        ///< the domain's
  std::string uuid;        ///< canonical form
  std::string title;       ///< what its owner calls it: <title>
  std::string cloud_name;  ///< what the user of OpenStack or OpenNebula calls it, from <metadata>
  std::string project;     ///< OpenStack's project, OpenNebula's group
  std::string user;        ///< OpenStack's or OpenNebula's user

  bool operator==(const LibvirtStatus&) const = default;
};

/// Reads the status file of a domain, /run/libvirt/qemu/NAME.xml or /run/libvirt/ch/NAME.xml.
/// Nothing if it is no such file. Pure; accepts any input. Refuses a document with a DOCTYPE, which
/// could have entities to expand. Time and memory are linear in the size of `xml`.
std::optional<LibvirtStatus> parse_libvirt_status(std::string_view xml);

}  // namespace kvmx
