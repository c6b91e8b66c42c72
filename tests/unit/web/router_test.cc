// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/router.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <stdexcept>
#include <string>

#include "exporter/web/gzip.h"
#include "tests/unit/web/body_of.h"

namespace kvmx {
namespace {

std::string gunzip(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  std::string out(10 << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

std::string header_of(const Response& response, const std::string& name) {
  std::string found;
  for (const auto& [each, value] : response.headers)
    if (each == name) found += (found.empty() ? "" : ", ") + value;
  return found;
}

const std::string kLong(5000, 'x');

const Routes kRoutes = {
    {"/short", [](const Request&) { return Response{.body = "short\n"}; }},
    {"/long", [](const Request&) { return Response{.body = kLong}; }},
    {"/pieces",
     [](const Request&) {
       return Response{.write_body =
                           [](const auto& sink) {
                             for (int i = 0; i < 3; ++i) sink(kLong);
                           },
                       .headers = {{"Vary", "Accept"}}};
     }},
    {"/broken", [](const Request&) -> Response { throw std::runtime_error("broken"); }},
};

Request get(const std::string& path, const std::string& accept_encoding = "") {
  Request request;
  request.method = "GET";
  request.path = path;
  request.accept_encoding = accept_encoding;
  return request;
}

TEST(Router, AnswersExactPathsAndTwoMethods) {
  EXPECT_EQ(answer(kRoutes, get("/short")).status, 200);
  for (const char* path : {"", "/", "/shor", "/short/", "/shorter", "//short"})
    EXPECT_EQ(answer(kRoutes, get(path)).status, 404) << path;
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "X"}) {
    Request request = get("/short");
    request.method = method;
    const Response response = answer(kRoutes, request);
    EXPECT_EQ(response.status, 405) << method;
    EXPECT_EQ(header_of(response, "Allow"), "GET, HEAD");
  }
  Request head = get("/short");
  head.method = "HEAD";
  EXPECT_EQ(answer(kRoutes, head).status, 200);
}

TEST(Router, AsteriskFormIsForOptionsOnly) {
  Request request = get("*");
  EXPECT_EQ(answer(kRoutes, request).status, 404);
  request.method = "OPTIONS";
  EXPECT_EQ(answer(kRoutes, request).status, 405);
}

TEST(Router, AnswersAThrowingHandlerWith500) {
  EXPECT_EQ(answer(kRoutes, get("/broken")).status, 500);
}

TEST(Router, CompressesLongBodiesOnly) {
  const Response plain = answer(kRoutes, get("/long"));
  EXPECT_EQ(header_of(plain, "Content-Encoding"), "");
  EXPECT_EQ(header_of(plain, "Vary"), "Accept-Encoding");
  EXPECT_EQ(body_of(plain), kLong);

  const Response small = answer(kRoutes, get("/short", "gzip"));
  EXPECT_EQ(header_of(small, "Content-Encoding"), "");
  EXPECT_EQ(body_of(small), "short\n");

  const Response whole = answer(kRoutes, get("/long", "gzip"));
  EXPECT_EQ(header_of(whole, "Content-Encoding"), "gzip");
  EXPECT_EQ(gunzip(body_of(whole)), kLong);

  const Response pieces = answer(kRoutes, get("/pieces", "gzip"));
  EXPECT_EQ(header_of(pieces, "Vary"), "Accept, Accept-Encoding");
  EXPECT_EQ(gunzip(body_of(pieces)), kLong + kLong + kLong);
}

TEST(Gzip, RestoresAnyBytes) {
  std::string noise;
  std::uint32_t state = 1;
  for (int i = 0; i < 3'000'000; ++i)
    noise += static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  for (const std::string& text : {std::string(), std::string("a"), noise}) {
    std::string packed;
    GzipStream gzip([&packed](std::string_view piece) { packed += piece; });
    for (std::size_t i = 0; i < text.size(); i += 70'000)
      gzip.write(std::string_view(text).substr(i, 70'000));
    gzip.finish();
    EXPECT_EQ(gunzip(packed), text);
  }
}

}  // namespace
}  // namespace kvmx
