// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace kvmx {

/// Who may compute a password hash next. Hashes are slow on purpose, so few are computed at once,
/// and the clients who wait for one are served in a fair order: first the addresses from which the
/// fewest wrong passwords have come lately, and of one address in the order of arrival. So whoever
/// guesses passwords in bulk waits behind those who do not.
class PasswordQueue {
 public:
  using Clock = std::chrono::steady_clock;

  /// `at_once` hashes are computed at once; `waiting` clients may wait for theirs.
  PasswordQueue(std::size_t at_once, std::size_t waiting)
      : at_once_(at_once), max_waiting_(waiting) {}

  /// A client's turn; the next one's comes when it is destroyed.
  class Turn {
   public:
    explicit Turn(PasswordQueue& queue) : queue_(&queue) {}
    Turn(Turn&& other) noexcept : queue_(std::exchange(other.queue_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (queue_) queue_->end_turn();
    }

   private:
    PasswordQueue* queue_;
  };

  /// Waits for the turn of a client at `address`. Nothing if too many wait already, or if it had to
  /// give its place to a client from an address with fewer wrong passwords.
  std::optional<Turn> wait(const std::string& address);

  /// Refuses all who wait, and whoever comes: the server is about to end.
  void close();

  /// How many clients wait.
  [[nodiscard]] std::size_t waiting() const {
    const std::lock_guard lock(mutex_);
    return queue_.size();
  }

  /// A password from `address` was wrong.
  void note_wrong(const std::string& address, Clock::time_point now = Clock::now());

 private:
  struct Waiting {
    const std::string* address;
    bool called = false;   ///< its turn has come
    bool refused = false;  ///< it has lost its place
  };

  void end_turn();
  void call_next();
  [[nodiscard]] std::size_t wrong_of(const std::string& address) const;
  void forget_old(Clock::time_point now);

  const std::size_t at_once_;
  const std::size_t max_waiting_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool closed_ = false;
  std::size_t hashing_ = 0;
  std::vector<Waiting*> queue_;                ///< in the order of arrival
  std::map<std::string, std::size_t> wrongs_;  ///< wrong passwords by address, halved every minute
  Clock::time_point halved_{};
};

}  // namespace kvmx
