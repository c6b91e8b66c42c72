// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "exporter/web/server.h"

namespace kvmx {
namespace {

TEST(ListenAddress, OfOneInterfaceStaysAsItIs) {
  EXPECT_EQ(*civetweb_port("127.0.0.1:10177"), "127.0.0.1:10177");
  EXPECT_EQ(*civetweb_port("[::1]:80"), "[::1]:80");
}

TEST(ListenAddress, APortAloneMeansEveryAddress) {
  const std::string port = *civetweb_port(":10177");
  EXPECT_TRUE(port == "10177" || port == "+10177") << port;
}

TEST(ListenAddress, MistakesAreNamed) {
  for (const char* wrong : {"", ":", "10177", ":0", ":65536", ":99999999999", "host:", "host:http",
                            ":80s", "a:1,b:2", "a b:80", ":-1"}) {
    const Result<std::string> port = civetweb_port(wrong);
    ASSERT_FALSE(port) << wrong;
    EXPECT_NE(port.error().message.find('"' + std::string(wrong) + '"'), std::string::npos);
  }
}

}  // namespace
}  // namespace kvmx
