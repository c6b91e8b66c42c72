// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <mutex>

namespace kvmx {

/// The rate_limit of a web configuration, as exporter-toolkit has it: a bucket of `burst` tokens
/// that gets one more every `interval`. A request takes one, and is refused where there is none.
class RateLimiter {
 public:
  using Clock = std::chrono::steady_clock;

  RateLimiter(std::chrono::nanoseconds interval, int burst, Clock::time_point now = Clock::now())
      : interval_(interval), burst_(burst), tokens_(burst), since_(now) {}

  bool allow(Clock::time_point now = Clock::now()) {
    const std::lock_guard lock(mutex_);
    const std::chrono::duration<double> passed = std::max(now - since_, Clock::duration::zero());
    tokens_ = std::min<double>(burst_, tokens_ + passed / interval_);
    since_ = std::max(now, since_);
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

  [[nodiscard]] bool same_limits(const RateLimiter& other) const {
    return interval_ == other.interval_ && burst_ == other.burst_;
  }

 private:
  const std::chrono::duration<double> interval_;
  const int burst_;
  std::mutex mutex_;
  double tokens_;
  Clock::time_point since_;
};

}  // namespace kvmx
