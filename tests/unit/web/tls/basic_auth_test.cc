// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/tls/basic_auth.h"

#include <gtest/gtest.h>

#include <chrono>

namespace kvmx {
namespace {

/// Of "right", at the lowest cost.
const std::string kRight = "$2b$04$abcdefghijklmnopqrstuuFmEfrkTQnczNzw475xE2VhDrK1uwJiC";

const std::string kClient = "192.0.2.1";

using Verdict = BasicAuth::Verdict;
using Hashes = std::map<std::string, std::string>;

TEST(BasicAuth, AdmitsEveryoneWithoutUsers) {
  BasicAuth auth(Hashes{});
  EXPECT_FALSE(auth.wanted());
  EXPECT_EQ(auth.check("", kClient), Verdict::right);
}

TEST(BasicAuth, AdmitsOnlyTheRightPasswordOfTheRightUser) {
  BasicAuth auth(Hashes{{"alice", kRight}, {"bob", "$2y" + kRight.substr(3)}});
  for (int again = 0; again < 2; ++again) {  // the second time it is remembered
    EXPECT_EQ(auth.check("Basic YWxpY2U6cmlnaHQ=", kClient), Verdict::right);  // alice:right
    EXPECT_EQ(auth.check("bASIC  YWxpY2U6cmlnaHQ= ", kClient), Verdict::right);
    EXPECT_EQ(auth.check("Basic Ym9iOnJpZ2h0", kClient), Verdict::right);      // bob:right
    EXPECT_EQ(auth.check("Basic YWxpY2U6d3Jvbmc=", kClient), Verdict::wrong);  // alice:wrong
    EXPECT_EQ(auth.check("Basic Y2Fyb2w6cmlnaHQ=", kClient), Verdict::wrong);  // carol:right
    EXPECT_EQ(auth.check("Basic YWxpY2U6", kClient), Verdict::wrong);          // alice:
    EXPECT_EQ(auth.check("Basic YWxpY2U6cmlnaHQA", kClient), Verdict::wrong);  // alice:right\0
    EXPECT_EQ(auth.check("", kClient), Verdict::missing);
    EXPECT_EQ(auth.check("Bearer YWxpY2U6cmlnaHQ=", kClient), Verdict::wrong);
  }
}

TEST(BasicAuth, ParsesHeadersStrictly) {
  const auto credentials = parse_basic("Basic dTpwOnE=");
  ASSERT_TRUE(credentials);
  EXPECT_EQ(credentials->user, "u");
  EXPECT_EQ(credentials->password, "p:q");
  for (const char* wrong : {"", "Basic", "Basic ", "Basic dTpw\nOnE=", "Basic dTpwOnE",
                            "Basic ====", "Basic dQ==", "Basic !!!!", "Digest dTpwOnE="})
    EXPECT_FALSE(parse_basic(wrong)) << wrong;
}

/// Of "right" at cost 10: without memory it takes tens of milliseconds.
const std::string kSlow = "$2b$10$abcdefghijklmnopqrstuu1VS0P7v3ZJmd2gzBFIzgfN7OOl6Rl52";

TEST(BasicAuth, RemembersPasswordsThroughAReload) {
  BasicAuth before(Hashes{{"alice", kSlow}, {"bob", kRight}});
  ASSERT_EQ(before.check("Basic YWxpY2U6cmlnaHQ=", kClient), Verdict::right);
  const auto took = [](BasicAuth& auth) {
    const auto began = std::chrono::steady_clock::now();
    EXPECT_EQ(auth.check("Basic YWxpY2U6cmlnaHQ=", kClient), Verdict::right);
    return std::chrono::steady_clock::now() - began;
  };
  BasicAuth same(Hashes{{"alice", kSlow}, {"carol", kRight}}, &before);
  BasicAuth anew(Hashes{{"alice", kSlow}});
  EXPECT_LT(took(same) * 10, took(anew));

  // Another hash is another password, as far as anybody knows.
  BasicAuth changed(Hashes{{"alice", "$2b$04$" + std::string(53, 'a')}}, &before);
  EXPECT_EQ(changed.check("Basic YWxpY2U6cmlnaHQ=", kClient), Verdict::wrong);
}

/// A hash of cost 10 takes tens of milliseconds; a remembered password and the lookup must not.
TEST(BasicAuth, ComputesOneHashForARightPassword) {
  BasicAuth auth(Hashes{{"alice", kSlow}});
  const auto cost = [&auth](const char* authorization, int times) {
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < times; ++i) static_cast<void>(auth.check(authorization, kClient));
    return std::chrono::steady_clock::now() - began;
  };
  ASSERT_EQ(auth.check("Basic YWxpY2U6cmlnaHQ=", kClient), Verdict::right);
  const auto wrong = cost("Basic YWxpY2U6d3Jvbmc=", 1);
  const auto unknown = cost("Basic Y2Fyb2w6cmlnaHQ=", 1);
  const auto remembered = cost("Basic YWxpY2U6cmlnaHQ=", 100);
  // A hundred remembered ones are less than one hash, of a user who is there or not.
  EXPECT_LT(remembered, wrong);
  EXPECT_LT(remembered, unknown);
}

}  // namespace
}  // namespace kvmx
