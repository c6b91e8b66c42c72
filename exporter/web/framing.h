// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "exporter/web/http.h"

struct mg_request_info;

namespace kvmx {

/// Why it cannot be told where a request ends, as a sentence for the client; empty: it can.
/// CivetWeb takes the first of several lengths or codings for the one, and would run the rest of
/// the body as the next request (RFC 9112, 6.1, 6.3 and 11.2). What is wrong in the form of a head
/// it has refused before: see civetweb/request_head.h.
std::string framing_mistake(const mg_request_info& info);

/// Whether a request line that was refused has a method that is one (RFC 9110, 9.1), but not a
/// `known` one.
bool is_unknown_method(std::string_view method, bool known);

}  // namespace kvmx
