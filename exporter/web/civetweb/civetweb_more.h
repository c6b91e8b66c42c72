// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <civetweb.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ssl_ctx_st;

/// A socket that CivetWeb is to accept connections on, and close at its end.
struct kvmx_listener { /* NOLINT(readability-identifier-naming): C */
  int socket;
  int tls;
};

/// mg_start(), but listening on these sockets, whatever the settings say.
struct mg_context *kvmx_civetweb_start(const struct mg_callbacks *callbacks, void *user_data,
                                       const char **settings, const struct kvmx_listener *listeners,
                                       unsigned count);

/// Whether requests with this method can be parsed.
int kvmx_civetweb_knows_method(const char *method);

/// The socket of a connection.
int kvmx_civetweb_socket(const struct mg_connection *connection);

/// Serves connections from now on with this SSL_CTX, which stays the caller's.
void kvmx_civetweb_set_tls(struct mg_context *context, struct ssl_ctx_st *tls);

#ifdef __cplusplus
}
#endif
