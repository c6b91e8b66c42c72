// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>

namespace kvmx {

/// When to try again what has failed: after 0.9 s, and twice as long each time, up to a minute.
class BackOff {
 public:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] bool failed() const { return failures_ != 0; }
  [[nodiscard]] int failures() const { return failures_; }
  [[nodiscard]] bool is_due(Clock::time_point now) const { return now >= next_; }

  void note_failure(Clock::time_point now) {
    pause_ = std::clamp(2 * pause_, kShortest, kLongest);
    next_ = now + pause_;
    ++failures_;
  }

  void note_success() { *this = BackOff(); }

 private:
  static constexpr std::chrono::milliseconds kShortest{900};
  static constexpr std::chrono::milliseconds kLongest{60'000};

  std::chrono::milliseconds pause_{};
  Clock::time_point next_;
  int failures_ = 0;
};

}  // namespace kvmx
