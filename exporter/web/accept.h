// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "exporter/exposition/format.h"

namespace kvmx {

/// One element of an Accept or Accept-Encoding header (RFC 9110, 12.4 and 12.5), in lower case.
struct Preference {
  std::string what;                                             ///< "text/plain", "gzip", "*", ...
  std::vector<std::pair<std::string, std::string>> parameters;  ///< those before q
  int quality = 1000;                                           ///< in thousandths; 0: not wanted
};

/// The elements in their order, without empty ones. A quality that cannot be read is no reason to
/// leave its element out: it counts as 1.
std::vector<Preference> parse_preferences(std::string_view header);

/// The exposition format to answer with: text 0.0.4 or OpenMetrics 1.0.0, whichever the Accept
/// header likes better; text if it likes both alike, or neither. Prometheus's own libraries answer
/// whoever wants something else in text, too, as RFC 9110, 12.5.1 allows.
Format choose_format(std::string_view accept);

/// Whether an Accept-Encoding header prefers gzip to no encoding.
bool takes_gzip(std::string_view accept_encoding);

}  // namespace kvmx
