// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/address.h"

#include <gtest/gtest.h>

#include <string>

namespace kvmx {
namespace {

TEST(ListenAddress, KeepsHostAndPort) {
  EXPECT_EQ(*civetweb_ports({"127.0.0.1:10177"}, false, true), "127.0.0.1:10177");
  EXPECT_EQ(*civetweb_ports({"[::1]:80", "localhost:81"}, false, true), "[::1]:80,localhost:81");
}

TEST(ListenAddress, PortAloneMeansEveryAddress) {
  EXPECT_EQ(*civetweb_ports({":10177"}, false, true), "+10177");
  EXPECT_EQ(*civetweb_ports({"[::]:10177"}, false, true), "+10177");
  EXPECT_EQ(*civetweb_ports({":10177"}, false, false), "10177");
}

TEST(ListenAddress, UnixSocketsComeLastAndHaveNoTls) {
  EXPECT_EQ(*civetweb_ports({"unix:/run/a.sock", ":1", "127.0.0.1:2"}, true, true),
            "+1s,127.0.0.1:2s,x/run/a.sock");
}

TEST(ListenAddress, RefusesMistakesByName) {
  const std::string too_long = "unix:/" + std::string(108, 'a');
  for (const std::string wrong :
       {"", ":", "10177", ":0", ":65536", ":99999999999", "host:", "host:http", ":80s", "a:1,b:2",
        "a b:80", ":-1", "::1:80", "[::1:80", "unix:", "unix:relative", "unix:/a,b", "unix:/a:b",
        too_long.c_str()}) {
    const Result<std::string> ports = civetweb_ports({":1", wrong}, false, true);
    ASSERT_FALSE(ports) << wrong;
    EXPECT_NE(ports.error().message.find('"' + wrong + '"'), std::string::npos);
  }
}

}  // namespace
}  // namespace kvmx
