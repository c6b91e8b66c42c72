// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "exporter/top/url.h"

namespace kvmx {

/// How to ask.
struct HttpClient {
  std::string user;  ///< empty: without a password
  std::string password;
  std::string ca_file;  ///< certificates to trust, PEM; empty: those that the system trusts
};

struct HttpAnswer {
  int status = 0;
  std::string body;
};

/// What became of a request.
struct HttpError {
  std::string message;
  bool refused = false;  ///< nobody listens there
};

/// Asks for `path` below the path of `url`, in HTTP/1.0: one request a connection. Waits no longer
/// than 5 s for any step. A certificate has to be valid for the host that is named.
///
/// By OpenSSL alone. libcurl would bring twenty libraries into the exporter, of which some have no
/// static form.
std::variant<HttpAnswer, HttpError> http_get(const Url& url, std::string_view path,
                                             const HttpClient& client);

/// Splits an answer as it came over the connection. Nothing if it is no HTTP.
std::optional<HttpAnswer> parse_answer(std::string_view text);

/// RFC 4648, 4.
std::string base64(std::string_view text);

}  // namespace kvmx
