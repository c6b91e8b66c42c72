// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <civetweb.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ssl_ctx_st;

/// The socket of a connection.
int kvmx_civetweb_socket(const struct mg_connection* connection);

/// The sockets that are listened on, `room` at most; how many.
unsigned kvmx_civetweb_listeners(const struct mg_context* context, int* sockets, unsigned room);

/// Serves connections from now on with this SSL_CTX, which stays the caller's.
void kvmx_civetweb_set_tls(struct mg_context* context, struct ssl_ctx_st* tls);

#ifdef __cplusplus
}
#endif
