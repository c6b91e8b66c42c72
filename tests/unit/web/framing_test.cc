// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/framing.h"

#include <civetweb.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "exporter/web/civetweb/request_head.h"

namespace kvmx {
namespace {

mg_request_info request(std::initializer_list<mg_header> headers) {
  mg_request_info info{};
  info.http_version = "1.1";
  for (const mg_header& header : headers) info.http_headers[info.num_headers++] = header;
  return info;
}

TEST(Framing, AcceptsOneLength) {
  EXPECT_EQ(framing_mistake(request({{"Host", "a"}})), "");
  EXPECT_EQ(framing_mistake(request({{"Content-Length", "5"}})), "");
  EXPECT_EQ(framing_mistake(request({{"Content-Length", "5"}, {"content-length", "5"}})), "");
  EXPECT_EQ(framing_mistake(request({{"Transfer-Encoding", "chunked"}})), "");
}

TEST(Framing, RefusesWhatHasTwoEnds) {
  EXPECT_NE(framing_mistake(request({{"Content-Length", "0"}, {"Content-Length", "50"}})), "");
  EXPECT_NE(framing_mistake(request({{"Content-Length", "5"}, {"Transfer-Encoding", "chunked"}})),
            "");
  for (const char* wrong : {"", "5, 6", "+5", "-1", "0x5", "5a", "99999999999999999999"})
    EXPECT_NE(framing_mistake(request({{"Content-Length", wrong}})), "") << wrong;
  mg_request_info full{};
  for (; full.num_headers < MG_MAX_HEADERS; ++full.num_headers)
    full.http_headers[full.num_headers] = {"A", "b"};
  EXPECT_NE(framing_mistake(full), "");
}

TEST(Framing, RefusesCodingsThatAreNotUnderstood) {
  const mg_header chunked{"Transfer-Encoding", "chunked"};
  for (const char* other :
       {"identity", "gzip", "gzip, chunked", "chunked, chunked", "", "xchunked"}) {
    const mg_header coding{"transfer-encoding", other};
    EXPECT_NE(framing_mistake(request({coding})), "") << other;
    EXPECT_NE(framing_mistake(request({coding, chunked})), "") << other;
    EXPECT_NE(framing_mistake(request({chunked, coding})), "") << other;
  }
  EXPECT_NE(framing_mistake(request({chunked, chunked})), "");
  EXPECT_EQ(framing_mistake(request({{"Transfer-Encoding", "Chunked"}})), "");
  mg_request_info old = request({chunked});
  old.http_version = "1.0";
  EXPECT_NE(framing_mistake(old), "");
}

bool is_sound(const std::string& head) { return kvmx_is_sound_head(head.data(), head.size()) != 0; }

TEST(Framing, TakesAHeadWhoseLinesAreFields) {
  for (const char* head :
       {"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\nHost: a\nAccept: b\n\n", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\nX-1_~!: \xe4: b \r\n\r\n", "BREW / HTTP/1.1\r\nHost: a\r\n\n"})
    EXPECT_TRUE(is_sound(head)) << head;
}

TEST(Framing, RefusesAHeadInWhichALineIsNoField) {
  for (const char* line :
       {": x", " x", " Content-Length: 3", "\tx: y", "\xe4: x", "a\xe4: x", "x",
        "Content-Length : 3", "a(: b", "a: b\rContent-Length: 3", "\r", "\n", ""}) {
    const std::string first = "GET / HTTP/1.1\r\n", end = "Content-Length: 35\r\n\r\n";
    EXPECT_FALSE(is_sound(first + line + "\r\n" + end)) << line;
    EXPECT_FALSE(is_sound(first + "Host: a\r\n" + line + "\r\n" + end)) << line;
    EXPECT_FALSE(is_sound(first + "Host: a\n" + line + "\n" + end)) << line;
  }
  for (const char* head :
       {"", "\r\n\r\n", "\n\n", " \r\n\r\n", "GET / HTTP/1.1", "GET / HTTP/1.1\r\nHost: a\r\n",
        "GET\r\n/ HTTP/1.1\r\n\r\n", "GET /\r\nHTTP/1.1\r\n\r\n", " GET / HTTP/1.1\r\n\r\n",
        "GET /\r\n\r\n", "Host: a\r\n\r\n", "GET / HTTP/1.1 \r\n\r\n"})
    EXPECT_FALSE(is_sound(head)) << head;
}

TEST(Framing, TellsAnUnknownMethodFromNone) {
  EXPECT_TRUE(is_unknown_method("QUERY", false));
  EXPECT_FALSE(is_unknown_method("GET", true));
  EXPECT_FALSE(is_unknown_method("", false));
  EXPECT_FALSE(is_unknown_method("G\x01T", false));
  EXPECT_FALSE(is_unknown_method("a(b", false));
}

}  // namespace
}  // namespace kvmx
