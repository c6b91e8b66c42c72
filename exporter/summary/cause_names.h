// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "exporter/names/isa.h"

/// The codes of a CodeRate as people know them, which is as the metrics' labels have them.
namespace kvmx::cause_names {

std::string reason(Isa isa, std::uint32_t code);

/// A register without a name is called by its index.
std::string msr(std::uint32_t index);

std::string userspace_exit(std::uint32_t id);

}  // namespace kvmx::cause_names
