// SPDX-License-Identifier: Apache-2.0
// The whole of CivetWeb, and what it knows but has no question for.
#include "civetweb.c"

#include "exporter/web/civetweb/civetweb_more.h"

int kvmx_civetweb_socket(const struct mg_connection* connection) { return connection->client.sock; }

unsigned kvmx_civetweb_listeners(const struct mg_context* context, int* sockets, unsigned room) {
  unsigned count = 0;
  for (; count < context->num_listening_sockets && count < room; ++count)
    sockets[count] = context->listening_sockets[count].sock;
  return count;
}

void kvmx_civetweb_set_tls(struct mg_context* context, struct ssl_ctx_st* tls) {
  mg_lock_context(context); // which a new connection holds while it looks
  context->dd.ssl_ctx = tls;
  mg_unlock_context(context);
}
