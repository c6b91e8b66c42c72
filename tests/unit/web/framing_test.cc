// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/framing.h"

#include <civetweb.h>
#include <gtest/gtest.h>

#include <initializer_list>

namespace kvmx {
namespace {

mg_request_info request(std::initializer_list<mg_header> headers) {
  mg_request_info info{};
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

TEST(Framing, TellsAnUnknownMethodFromNone) {
  EXPECT_TRUE(is_unknown_method("QUERY", false));
  EXPECT_FALSE(is_unknown_method("GET", true));
  EXPECT_FALSE(is_unknown_method("", false));
  EXPECT_FALSE(is_unknown_method("G\x01T", false));
  EXPECT_FALSE(is_unknown_method("a(b", false));
}

}  // namespace
}  // namespace kvmx
