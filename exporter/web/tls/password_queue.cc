// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/tls/password_queue.h"

#include <algorithm>

namespace kvmx {
namespace {

/// Addresses whose wrong passwords are counted. With more, all are forgotten and counted anew.
constexpr std::size_t kMaxAddresses = 4096;

}  // namespace

std::optional<PasswordQueue::Turn> PasswordQueue::wait(const std::string& address) {
  std::unique_lock lock(mutex_);
  if (closed_) return std::nullopt;
  if (queue_.size() >= max_waiting_) {
    // The last of those with the most wrong passwords, if that is not this one.
    const auto by_wrongs = [this](const Waiting* one, const Waiting* other) {
      return wrong_of(*one->address) < wrong_of(*other->address);
    };
    const auto worst = std::max_element(queue_.rbegin(), queue_.rend(), by_wrongs);
    if (worst == queue_.rend() || wrong_of(*(*worst)->address) <= wrong_of(address))
      return std::nullopt;
    (*worst)->refused = true;
    queue_.erase(std::next(worst).base());
    changed_.notify_all();
  }
  Waiting self{&address};
  queue_.push_back(&self);
  call_next();
  changed_.wait(lock, [&self] { return self.called || self.refused; });
  if (self.refused) return std::nullopt;
  return Turn(*this);
}

void PasswordQueue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (Waiting* each : queue_) each->refused = true;
  queue_.clear();
  changed_.notify_all();
}

void PasswordQueue::end_turn() {
  const std::lock_guard lock(mutex_);
  --hashing_;
  call_next();
}

void PasswordQueue::call_next() {
  while (hashing_ < at_once_ && !queue_.empty()) {
    const auto next = std::ranges::min_element(
        queue_, {}, [this](const Waiting* each) { return wrong_of(*each->address); });
    (*next)->called = true;
    queue_.erase(next);
    ++hashing_;
    changed_.notify_all();
  }
}

void PasswordQueue::note_wrong(const std::string& address, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  forget_old(now);
  if (wrongs_.size() >= kMaxAddresses) wrongs_.clear();
  ++wrongs_[address];
}

std::size_t PasswordQueue::wrong_of(const std::string& address) const {
  const auto found = wrongs_.find(address);
  return found == wrongs_.end() ? 0 : found->second;
}

void PasswordQueue::forget_old(Clock::time_point now) {
  if (now - halved_ < std::chrono::minutes(1)) return;
  halved_ = now;
  for (auto& [address, count] : wrongs_) count /= 2;
  std::erase_if(wrongs_, [](const auto& each) { return each.second == 0; });
}

}  // namespace kvmx
