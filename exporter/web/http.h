// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "exporter/web/tls/headers.h"

namespace kvmx {

/// What a handler may know of a request. Headers are empty where there are none; several of one
/// name are joined with commas, as RFC 9110 has it.
struct Request {
  std::string method;
  std::string path;   ///< percent-decoded, without dot segments; "*" in the asterisk form
  std::string query;  ///< as sent, without the '?'
  std::string accept;
  std::string accept_encoding;
  std::string authorization;
  std::string client;  ///< its IP address
};

/// Writes a body piece by piece to what takes it, which throws when the client is gone.
using BodyWriter = std::function<void(const std::function<void(std::string_view)>&)>;

struct Response {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body = {};
  BodyWriter write_body = nullptr;  ///< if set, instead of body: for what is better not held whole
  Headers headers = {};             ///< further ones
  bool close = false;               ///< the client may send no other request over this connection
};

/// Answers GET (and HEAD, whose body the server leaves out) on one path. Called from several
/// threads at once.
using Handler = std::function<Response(const Request&)>;

/// Handlers by exact path.
using Routes = std::map<std::string, Handler, std::less<>>;

}  // namespace kvmx
