// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/tls/basic_auth.h"

#include <gtest/gtest.h>

#include <chrono>

namespace kvmx {
namespace {

/// Of "right", at the lowest cost.
const std::string kRight = "$2b$04$abcdefghijklmnopqrstuuFmEfrkTQnczNzw475xE2VhDrK1uwJiC";

using Verdict = BasicAuth::Verdict;
using Hashes = std::map<std::string, std::string>;

TEST(BasicAuth, AdmitsEveryoneWithoutUsers) {
  BasicAuth auth(Hashes{});
  EXPECT_FALSE(auth.wanted());
  EXPECT_EQ(auth.check(""), Verdict::right);
}

TEST(BasicAuth, AdmitsOnlyTheRightPasswordOfTheRightUser) {
  BasicAuth auth(Hashes{{"alice", kRight}, {"bob", "$2y" + kRight.substr(3)}});
  for (int again = 0; again < 2; ++again) {  // the second time it is remembered
    EXPECT_EQ(auth.check("Basic YWxpY2U6cmlnaHQ="), Verdict::right);  // alice:right
    EXPECT_EQ(auth.check("bASIC  YWxpY2U6cmlnaHQ= "), Verdict::right);
    EXPECT_EQ(auth.check("Basic Ym9iOnJpZ2h0"), Verdict::right);      // bob:right
    EXPECT_EQ(auth.check("Basic YWxpY2U6d3Jvbmc="), Verdict::wrong);  // alice:wrong
    EXPECT_EQ(auth.check("Basic Y2Fyb2w6cmlnaHQ="), Verdict::wrong);  // carol:right
    EXPECT_EQ(auth.check("Basic YWxpY2U6"), Verdict::wrong);          // alice:
    EXPECT_EQ(auth.check("Basic YWxpY2U6cmlnaHQA"), Verdict::wrong);  // alice:right\0
    EXPECT_EQ(auth.check(""), Verdict::wrong);
    EXPECT_EQ(auth.check("Bearer YWxpY2U6cmlnaHQ="), Verdict::wrong);
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

/// A hash of cost 10 takes tens of milliseconds; a remembered password and the lookup must not.
TEST(BasicAuth, ComputesOneHashForARightPassword) {
  BasicAuth auth(Hashes{{"alice", "$2b$10$abcdefghijklmnopqrstuu1VS0P7v3ZJmd2gzBFIzgfN7OOl6Rl52"}});
  const auto cost = [&auth](const char* authorization, int times) {
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < times; ++i) static_cast<void>(auth.check(authorization));
    return std::chrono::steady_clock::now() - began;
  };
  ASSERT_EQ(auth.check("Basic YWxpY2U6cmlnaHQ="), Verdict::right);
  const auto wrong = cost("Basic YWxpY2U6d3Jvbmc=", 1);
  const auto unknown = cost("Basic Y2Fyb2w6cmlnaHQ=", 1);
  const auto remembered = cost("Basic YWxpY2U6cmlnaHQ=", 100);
  // A hundred remembered ones are less than one hash, of a user who is there or not.
  EXPECT_LT(remembered, wrong);
  EXPECT_LT(remembered, unknown);
}

}  // namespace
}  // namespace kvmx
