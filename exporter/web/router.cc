// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/router.h"

#include <exception>
#include <memory>
#include <utility>

#include "exporter/base/log.h"
#include "exporter/web/accept.h"
#include "exporter/web/gzip.h"

namespace kvmx {
namespace {

/// Below this a packet is a packet, compressed or not.
constexpr std::size_t kWorthCompressing = 1024;

BodyWriter body_writer(Response& response) {
  if (response.write_body) return std::move(response.write_body);
  return [body = std::make_shared<std::string>(std::move(response.body))](const auto& sink) {
    sink(*body);
  };
}

void compress(Response& response) {
  response.headers.emplace_back("Content-Encoding", "gzip");
  response.write_body = [write = body_writer(response)](const auto& sink) {
    GzipStream gzip(sink);
    write([&gzip](std::string_view piece) { gzip.write(piece); });
    gzip.finish();
  };
}

Response route(const Routes& routes, const Request& request) {
  // The asterisk form asks for what the server as a whole can do (RFC 9110, 9.3.7).
  if (request.path == "*" && request.method == "OPTIONS") return method_not_allowed();
  const auto found = routes.find(request.path);
  if (found == routes.end()) return {.status = 404, .body = "not found\n"};
  if (request.method != "GET" && request.method != "HEAD") return method_not_allowed();
  Response response = found->second(request);
  if (!response.write_body && response.body.size() < kWorthCompressing) return response;
  response.headers.emplace_back("Vary", "Accept-Encoding");
  if (takes_gzip(request.accept_encoding)) compress(response);
  return response;
}

}  // namespace

Response method_not_allowed() {
  return {.status = 405,
          .body = "only GET and HEAD are answered\n",
          .headers = {{"Allow", "GET, HEAD"}}};
}

Response answer(const Routes& routes, const Request& request) noexcept {
  try {
    return route(routes, request);
  } catch (const std::exception& error) {
    spdlog::error("a request for {} failed: {}", request.path, error.what());
    return {.status = 500, .body = "internal error\n"};
  }
}

}  // namespace kvmx
