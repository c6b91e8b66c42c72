// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exporter/web/http.h"

namespace kvmx {

/// The answer of the route that the request is for: 404 for none, 405 for other methods than GET
/// and HEAD. A body worth it is compressed if the client takes gzip. Lets no exception out: a
/// handler that throws answers 500.
Response answer(const Routes& routes, const Request& request) noexcept;

/// The answer to a request with another method than GET and HEAD.
Response method_not_allowed();

}  // namespace kvmx
