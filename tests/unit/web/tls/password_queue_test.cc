// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/tls/password_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace kvmx {
namespace {

using namespace std::chrono_literals;

/// Clients that wait for their turns, in threads of their own.
class Clients {
 public:
  explicit Clients(PasswordQueue& queue) : queue_(queue) {}
  ~Clients() {
    for (std::thread& thread : threads_) thread.join();
  }

  /// Begins to wait, and is sure to be in the queue when this returns.
  void begin(const std::string& address) {
    threads_.emplace_back([this, address] {
      const auto turn = queue_.wait(address);
      const std::lock_guard lock(mutex_);
      (turn ? served_ : refused_).push_back(address);
    });
    while (queue_.waiting() + done() < threads_.size()) std::this_thread::yield();
  }

  std::vector<std::string> served() {
    const std::lock_guard lock(mutex_);
    return served_;
  }
  std::vector<std::string> refused() {
    const std::lock_guard lock(mutex_);
    return refused_;
  }

 private:
  std::size_t done() {
    const std::lock_guard lock(mutex_);
    return served_.size() + refused_.size();
  }

  PasswordQueue& queue_;
  std::mutex mutex_;
  std::vector<std::string> served_;
  std::vector<std::string> refused_;
  std::vector<std::thread> threads_;
};

using Names = std::vector<std::string>;

TEST(PasswordQueue, ServesInTheOrderOfArrival) {
  PasswordQueue queue(1, 8);
  Clients clients(queue);
  {
    const auto turn = queue.wait("first");
    ASSERT_TRUE(turn);
    for (const char* name : {"a", "b", "c"}) clients.begin(name);
    EXPECT_EQ(clients.served(), Names{});
  }
  while (clients.served().size() < 3) std::this_thread::yield();
  EXPECT_EQ(clients.served(), (Names{"a", "b", "c"}));
}

TEST(PasswordQueue, ServesAddressesWithFewerWrongPasswordsFirst) {
  PasswordQueue queue(1, 8);
  queue.note_wrong("guesser");
  Clients clients(queue);
  {
    const auto turn = queue.wait("first");
    for (const char* name : {"guesser", "guesser", "stranger"}) clients.begin(name);
  }
  while (clients.served().size() < 3) std::this_thread::yield();
  EXPECT_EQ(clients.served(), (Names{"stranger", "guesser", "guesser"}));
}

TEST(PasswordQueue, FullQueueGivesAGuessersPlaceAway) {
  PasswordQueue queue(1, 2);
  queue.note_wrong("guesser");
  Clients clients(queue);
  {
    const auto turn = queue.wait("first");
    clients.begin("guesser");
    clients.begin("guesser");
    clients.begin("guesser");  // no better than those who wait
    EXPECT_EQ(clients.refused(), Names{"guesser"});
    clients.begin("stranger");
    EXPECT_EQ(clients.refused(), (Names{"guesser", "guesser"}));
  }
  while (clients.served().size() < 2) std::this_thread::yield();
  EXPECT_EQ(clients.served(), (Names{"stranger", "guesser"}));
}

TEST(PasswordQueue, CloseRefusesAllWhoWait) {
  PasswordQueue queue(1, 8);
  Clients clients(queue);
  const auto turn = queue.wait("first");
  for (const char* name : {"a", "b"}) clients.begin(name);
  queue.close();
  EXPECT_FALSE(queue.wait("c"));
  while (clients.refused().size() < 2) std::this_thread::yield();
}

TEST(PasswordQueue, WrongPasswordsAreForgotten) {
  PasswordQueue queue(1, 8);
  const PasswordQueue::Clock::time_point start = PasswordQueue::Clock::now();
  queue.note_wrong("guesser", start);
  queue.note_wrong("other", start + 2min);  // halves what was counted: one is none
  Clients clients(queue);
  {
    const auto turn = queue.wait("first");
    for (const char* name : {"other", "guesser"}) clients.begin(name);
  }
  while (clients.served().size() < 2) std::this_thread::yield();
  EXPECT_EQ(clients.served(), (Names{"guesser", "other"}));
}

}  // namespace
}  // namespace kvmx
