// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>

namespace kvmx {

/// Bounds what work that others can cause costs: no more than a share of a CPU in the long run.
/// Time that is not spent adds up, to at most `burst`, so that what happens now and then is done at
/// once; what is spent too much, to at most `debt`, so that the next piece of work comes in time.
/// No piece should take more than that.
class WorkBudget {
 public:
  using Clock = std::chrono::steady_clock;
  using Duration = Clock::duration;

  /// One part of a CPU in `parts`.
  WorkBudget(int parts, Duration burst, Duration debt)
      : parts_(parts), burst_(burst), debt_(debt), left_(burst) {}

  /// How long to wait before the next piece of work; 0: none.
  [[nodiscard]] Duration wait(Clock::time_point now) {
    earn(now);
    return left_ >= Duration::zero() ? Duration::zero() : -left_ * parts_;
  }

  void spend(Duration cpu_time) { left_ = std::max(-debt_, left_ - cpu_time); }

 private:
  void earn(Clock::time_point now) {
    left_ = std::min(burst_, left_ + (now - last_) / parts_);
    last_ = now;
  }

  int parts_;
  Duration burst_;
  Duration debt_;
  Duration left_;
  Clock::time_point last_{};
};

}  // namespace kvmx
