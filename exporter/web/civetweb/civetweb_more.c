// SPDX-License-Identifier: Apache-2.0
// The whole of CivetWeb, with three of its static functions replaced, and what it knows but has no
// question for.
//
// set_ports_option() opens the sockets to listen on: here they are opened already, by code that
// resolves names, tells a stale unix socket from a file, and says what is wrong. get_uri_type()
// looks at a request's target: here the absolute form (RFC 9112, 3.2.2) is accepted for any host.
// parse_http_request() takes a line that is no field for the end of a head: here it gets no head
// that has such a line.
//
// Each is defined once in civetweb.c and called once, with an argument that begins with another
// word: "struct", "const" and "char" in the definition, "ctx" and "conn" in the call. A macro that
// pastes that word to the name tells the two apart, and gives the definition another name. Should
// CivetWeb change here, the build fails.
#include <stddef.h>

struct mg_connection;
struct mg_context;
struct mg_request_info;

static int kvmx_use_listeners(struct mg_context *context);
static int kvmx_get_uri_type(const char *uri);
static int kvmx_parse_http_request(const struct mg_connection *connection, char *buffer, int size,
                                   struct mg_request_info *info);

#define set_ports_option(argument) set_ports_option_##argument)
#define set_ports_option_struct civetweb_set_ports_option(struct
#define set_ports_option_ctx kvmx_use_listeners(ctx
#define get_uri_type(argument) get_uri_type_##argument)
#define get_uri_type_const civetweb_get_uri_type(const
#define get_uri_type_conn kvmx_get_uri_type(conn
#define parse_http_request(buffer, size, info) parse_http_request_##buffer, size, info)
#define parse_http_request_char civetweb_parse_http_request(char
#define parse_http_request_conn kvmx_parse_http_request(conn, conn

#include "civetweb.c"

#undef set_ports_option
#undef get_uri_type
#undef parse_http_request

#include "exporter/web/civetweb/civetweb_more.h"
#include "exporter/web/civetweb/request_head.h"

/// What this thread's mg_start() is to listen on.
static __thread const struct kvmx_listener *listeners_to_use;
static __thread unsigned listeners_count;

static int kvmx_use_listeners(struct mg_context *context) {
  context->listening_sockets = mg_calloc(listeners_count, sizeof(struct socket));
  context->listening_socket_fds = mg_calloc(listeners_count, sizeof(struct mg_pollfd));
  if (!context->listening_sockets || !context->listening_socket_fds) return 0;
  for (unsigned i = 0; i < listeners_count; ++i) {
    context->listening_sockets[i].sock = listeners_to_use[i].socket;
    context->listening_sockets[i].is_ssl = (unsigned char)(listeners_to_use[i].tls != 0);
  }
  context->num_listening_sockets = listeners_count;
  return (int)listeners_count;
}

/// Makes the origin form of an absolute one, where it stands.
static int kvmx_get_uri_type(const char *uri) {
  const char *const schemes[] = {"http://", "https://"};
  for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); ++i) {
    const size_t scheme = strlen(schemes[i]);
    if (mg_strncasecmp(uri, schemes[i], scheme) != 0) continue;
    const size_t host = strcspn(uri + scheme, "/?#");
    if (host == 0) return 0;
    const char *rest = uri + scheme + host;
    char *target = (char *)uri; // in the connection's own buffer
    if (*rest != '/') *target++ = '/';
    memmove(target, rest, strlen(rest) + 1);
    break;
  }
  // The asterisk form is a path of its own to the router.
  return strcmp(uri, "*") == 0 ? 2 : civetweb_get_uri_type(uri);
}

/// `buffer` begins with a head of as many bytes as the connection says, and has `size` of them.
static int kvmx_parse_http_request(const struct mg_connection *connection, char *buffer, int size,
                                   struct mg_request_info *info) {
  const int sound = kvmx_is_sound_head(buffer, (size_t)connection->request_len);
  return sound ? civetweb_parse_http_request(buffer, size, info) : -1;
}

struct mg_context *kvmx_civetweb_start(const struct mg_callbacks *callbacks, void *user_data,
                                       const char **settings,
                                       const struct kvmx_listener *listeners, unsigned count) {
  listeners_to_use = listeners;
  listeners_count = count;
  return mg_start(callbacks, user_data, settings);
}

int kvmx_civetweb_knows_method(const char *method) { return is_valid_http_method(method); }

int kvmx_civetweb_socket(const struct mg_connection *connection) { return connection->client.sock; }

void kvmx_civetweb_set_tls(struct mg_context *context, struct ssl_ctx_st *tls) {
  mg_lock_context(context); // which a new connection holds while it looks
  context->dd.ssl_ctx = tls;
  mg_unlock_context(context);
}
