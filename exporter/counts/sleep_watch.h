// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

namespace kvmx {

/// What a vCPU does that has halted and then been woken, or has left KVM_RUN, and has not entered
/// its guest since.
///
/// Mostly it is about to enter. But if a signal took it out of KVM_RUN, the next call puts it back
/// to sleep, for hours maybe, of which no event tells before it is woken: until then it might as
/// well be with its VMM. The list of vCPUs tells which, every second or two. What it says holds as
/// long as the vCPU is not woken another time.
class SleepWatch {
 public:
  /// To be called at each reading of such a vCPU. `halts`: how many have ended. `asleep`: what a
  /// list says that was made after `listed_ns`; nothing if it does not know the vCPU.
  void look(std::uint64_t halts, std::uint64_t now_ns, std::optional<bool> asleep,
            std::uint64_t listed_ns);

  /// As they were then.
  [[nodiscard]] std::uint64_t halts() const { return halts_; }

  /// Since when it has slept for certain, ns; nothing if that is not known.
  [[nodiscard]] std::optional<std::uint64_t> asleep_since() const { return asleep_since_; }

  /// Whether it surely was with its VMM, or about to enter, when the list was made.
  [[nodiscard]] bool awake() const { return awake_; }

 private:
  std::uint64_t halts_ = 0;
  std::uint64_t seen_ns_ = 0;  ///< when so many were first seen; 0: not yet
  std::optional<std::uint64_t> asleep_since_;
  bool awake_ = false;
};

}  // namespace kvmx
