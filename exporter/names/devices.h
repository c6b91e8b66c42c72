// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace kvmx {

/// Ports, or addresses of MMIO, of a device that virtual PCs have at the same place.
struct DeviceRange {
  std::uint64_t first;
  std::uint64_t last;
  std::string_view name;  ///< as it stands in a sentence: "the ACPI PM timer"
  /// What most likely makes a guest use it all the time; empty: nothing is known of it.
  std::string_view cause = {};
};

/// In order of their addresses, none within another. Sources are beside the tables.
std::span<const DeviceRange> port_devices();
std::span<const DeviceRange> mmio_devices();

/// The device at an address; null if it may be any.
const DeviceRange* find_device(std::span<const DeviceRange> devices, std::uint64_t address);

/// The first device that has any of the addresses from `first` to `last`; null likewise.
const DeviceRange* find_device(std::span<const DeviceRange> devices, std::uint64_t first,
                               std::uint64_t last);

}  // namespace kvmx
