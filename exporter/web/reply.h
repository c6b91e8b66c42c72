// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exporter/web/connections.h"
#include "exporter/web/http.h"

struct mg_connection;

namespace kvmx {

/// Sends a response, with `extra` headers, over a connection of CivetWeb's. A body of one piece has
/// its length told; a longer one is sent in chunks (RFC 9112, 7.1), so that it need not be held
/// whole. Lets no exception out: a response that fails half way is cut off, which its client
/// notices. Tells `connections` while it waits for the client.
void reply(mg_connection* connection, const Response& response, const Headers& extra,
           Connections& connections) noexcept;

/// Sends a response to what could not be parsed as a request, and ends the connection.
void reply_without_request(mg_connection* connection, const Response& response) noexcept;

}  // namespace kvmx
