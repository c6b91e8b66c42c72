// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/tls/rate_limiter.h"

#include <gtest/gtest.h>

namespace kvmx {
namespace {

using namespace std::chrono_literals;

TEST(RateLimiter, AllowsABurstAndThenOneAnInterval) {
  const RateLimiter::Clock::time_point start{};
  RateLimiter limiter(1s, 3, start);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limiter.allow(start)) << i;
  EXPECT_FALSE(limiter.allow(start));
  EXPECT_FALSE(limiter.allow(start + 900ms));
  EXPECT_TRUE(limiter.allow(start + 1s));
  EXPECT_FALSE(limiter.allow(start + 1s));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limiter.allow(start + 1h)) << i;
  EXPECT_FALSE(limiter.allow(start + 1h));
}

TEST(RateLimiter, WithoutABurstNothingIsAllowed) {
  RateLimiter limiter(1s, 0);
  EXPECT_FALSE(limiter.allow());
  EXPECT_FALSE(limiter.allow(RateLimiter::Clock::now() + 1h));
}

}  // namespace
}  // namespace kvmx
