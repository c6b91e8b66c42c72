// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "exporter/base/result.h"

namespace kvmx {

/// Opens /dev/null for standard input, output and error where they are closed: otherwise the next
/// file or socket would have their number, and get what is meant for them. To be called first.
void open_standard_descriptors();

/// Raises this process's limit of open descriptors as far as it may go. The error, if that is less
/// than `needed`, says how to raise it.
Result<void> raise_descriptor_limit(std::size_t needed);

}  // namespace kvmx
