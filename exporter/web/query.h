// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kvmx {

/// The values of the parameter `name` in a query string such as
/// "collect[]=exits&collect%5B%5D=msrs", percent-decoded.
std::vector<std::string> query_values(std::string_view query, std::string_view name);

/// Text with its percent-escapes decoded (RFC 3986, 2.1). A '%' that starts none stays as it is.
std::string percent_decode(std::string_view text);

/// Any text as the value of a query's parameter: all but RFC 3986's unreserved characters escaped.
std::string percent_encode(std::string_view text);

}  // namespace kvmx
