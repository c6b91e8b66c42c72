// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "exporter/base/result.h"
#include "exporter/summary/summary.h"

namespace kvmx {

/// Where the exporter serves its summary.
inline constexpr std::string_view kSummaryPath = "/summary.json";

/// A summary as JSON, a line with an end. What is not known is null. deploy/configuration.md has
/// its fields.
std::string to_json(const HostSummary& host);

/// A summary from another exporter, maybe of another version: members that are not known here are
/// no error. Texts come out fit to be shown: valid UTF-8 without control characters.
Result<HostSummary> parse_summary(std::string_view json);

}  // namespace kvmx
