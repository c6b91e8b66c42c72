// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "exporter/summary/summary.h"
#include "exporter/top/view.h"

namespace kvmx {

/// A summary for a file or a pipe: everything, a paragraph or a guest a line, however long.
std::string plain_text(const HostSummary& host, const View& view, bool utf8);

}  // namespace kvmx
