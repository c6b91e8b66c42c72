// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/address.h"

#include <gtest/gtest.h>

#include <string>

namespace kvmx {
namespace {

TEST(ListenAddress, HasHostAndPort) {
  const auto ipv4 = parse_listen_address("127.0.0.1:10177");
  ASSERT_TRUE(ipv4);
  EXPECT_EQ(ipv4->host, "127.0.0.1");
  EXPECT_EQ(ipv4->port, 10177);
  EXPECT_EQ(parse_listen_address("[::1]:80")->host, "::1");
  EXPECT_EQ(parse_listen_address("[fe80::1%eth0]:80")->host, "fe80::1%eth0");
  EXPECT_EQ(parse_listen_address("kvm-host.example:81")->host, "kvm-host.example");
}

TEST(ListenAddress, PortAloneMeansEveryAddress) {
  for (const char* every : {":10177", "[::]:10177"}) {
    const auto address = parse_listen_address(every);
    ASSERT_TRUE(address) << every;
    EXPECT_EQ(address->host, "");
    EXPECT_EQ(address->port, 10177);
  }
}

TEST(ListenAddress, UnixSocketHasAPath) {
  const auto address = parse_listen_address("unix:/run/a,b:c.sock");
  ASSERT_TRUE(address);
  EXPECT_EQ(address->path, "/run/a,b:c.sock");
  EXPECT_EQ(address->port, 0);
}

TEST(ListenAddress, RefusesMistakesByName) {
  const std::string too_long = "unix:/" + std::string(108, 'a');
  for (const std::string wrong :
       {"", ":", "10177", ":0", ":65536", ":99999999999", "host:", "host:http", ":80s", "a:1,b:2",
        "a b:80", ":-1", "::1:80", "[::1:80", "a/b:80", "unix:", "unix:relative", "unix:/dir/",
        too_long.c_str()}) {
    const Result<ListenAddress> address = parse_listen_address(wrong);
    ASSERT_FALSE(address) << wrong;
    EXPECT_NE(address.error().message.find('"' + wrong + '"'), std::string::npos);
  }
}

}  // namespace
}  // namespace kvmx
