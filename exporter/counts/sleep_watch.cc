// SPDX-License-Identifier: Apache-2.0
#include "exporter/counts/sleep_watch.h"

namespace kvmx {

void SleepWatch::look(std::uint64_t halts, std::uint64_t now_ns, std::optional<bool> asleep,
                      std::uint64_t listed_ns) {
  if (halts != halts_ || seen_ns_ == 0) {
    *this = {};
    halts_ = halts;
    seen_ns_ = now_ns;
  }
  // A list from before that may speak of an earlier halt.
  if (!asleep || listed_ns <= seen_ns_) return;
  if (*asleep && !asleep_since_) asleep_since_ = listed_ns;
  awake_ = !asleep_since_;
}

}  // namespace kvmx
