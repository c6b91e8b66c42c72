// SPDX-License-Identifier: Apache-2.0
#include "exporter/top/url.h"

#include <gtest/gtest.h>

#include "exporter/top/http_get.h"

namespace kvmx {
namespace {

std::string parts(std::string_view text) {
  const Result<Url> url = parse_url(text);
  if (!url) return "-";
  return std::string(url->tls ? "tls " : "") + url->unix_path + '|' + url->host + '|' + url->port +
         '|' + url->path;
}

TEST(Url, MayBeWrittenInSeveralWays) {
  EXPECT_EQ(parts("http://127.0.0.1:10177"), "|127.0.0.1|10177|");
  EXPECT_EQ(parts("http://kvm-1"), "|kvm-1|10177|");
  EXPECT_EQ(parts("kvm-1:9"), "|kvm-1|9|");
  EXPECT_EQ(parts("https://kvm-1/"), "tls |kvm-1|10177|");
  EXPECT_EQ(parts("https://[::1]:443/kvm/"), "tls |::1|443|/kvm");
  EXPECT_EQ(parts("http://[fe80::1]"), "|fe80::1|10177|");
  EXPECT_EQ(parts("http://kvm-1:10177/metrics"), "|kvm-1|10177|");
  EXPECT_EQ(parts("http://proxy/kvm-1/metrics"), "|proxy|10177|/kvm-1");
  EXPECT_EQ(parts("unix:/run/kvm.sock"), "/run/kvm.sock|localhost||");
}

TEST(Url, IsRefusedWithAHint) {
  for (const char* text : {"", "http://", "http://:1", "http://a:", "http://a:x", "http://a:123456",
                           "http://a b", "http://a\r\nX: y", "http://user:secret@a", "unix:run",
                           "unix:", "http://[::1", "http://[::1]x", "ftp://a", "http://a?x", "a#b"})
    EXPECT_EQ(parts(text), "-") << text;
  EXPECT_NE(parse_url("ftp://a").error().message.find("give http://HOST:PORT"), std::string::npos);
}

TEST(HttpAnswer, IsStatusAndBody) {
  const auto answer = parse_answer("HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody\r\n\r\n");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "body\r\n\r\n");
  EXPECT_EQ(parse_answer("HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n")->status, 404);
  for (const char* wrong :
       {"", "HTTP/1.1 200", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 x00 OK\r\n\r\n", "HTTP/1.1\r\n\r\n",
        "SSH-2.0-x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbody"})
    EXPECT_FALSE(parse_answer(wrong)) << wrong;
}

TEST(Base64, IsAsInRfc4648) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("user:päss"), "dXNlcjpww6Rzcw==");
}

}  // namespace
}  // namespace kvmx
