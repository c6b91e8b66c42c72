// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/connections.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <vector>

#include "exporter/base/unique_fd.h"

namespace kvmx {
namespace {

using namespace std::chrono_literals;

/// A connection whose client can tell whether it was shut out.
class Pair {
 public:
  Pair() {
    std::array<int, 2> fds{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()), 0);
    server_ = UniqueFd(fds[0]);
    client_ = UniqueFd(fds[1]);
  }
  [[nodiscard]] int socket() const { return server_.get(); }
  [[nodiscard]] bool evicted() const {
    char byte = 0;
    return ::recv(client_.get(), &byte, 1, MSG_DONTWAIT) == 0;
  }

 private:
  UniqueFd server_;
  UniqueFd client_;
};

const Connections::Clock::time_point kStart{};

TEST(Connections, EvictsTheLongestWaitingWhenFull) {
  Connections connections(2, 30s);
  const std::vector<Pair> pairs(4);
  connections.open(pairs[0].socket(), kStart);
  connections.open(pairs[1].socket(), kStart + 1s);
  connections.answer(pairs[0].socket(), kStart + 2s);
  connections.open(pairs[2].socket(), kStart + 3s);
  EXPECT_FALSE(pairs[0].evicted());  // is being answered
  EXPECT_TRUE(pairs[1].evicted());
  EXPECT_FALSE(pairs[2].evicted());

  connections.wait_for_request(pairs[0].socket(), kStart + 4s);
  connections.open(pairs[3].socket(), kStart + 5s);
  EXPECT_FALSE(pairs[0].evicted());
  EXPECT_TRUE(pairs[2].evicted());  // has been waiting for longer
  EXPECT_FALSE(pairs[3].evicted());
}

TEST(Connections, EvictsTheSlowestReaderBeforeTheSilent) {
  Connections connections(3, 30s);
  const std::vector<Pair> pairs(5);
  connections.open(pairs[0].socket(), kStart);  // says nothing
  for (const int reader : {1, 2}) {
    connections.open(pairs[reader].socket(), kStart + 1s);
    connections.answer(pairs[reader].socket(), kStart + 1s);
  }
  connections.begin_write(pairs[1].socket(), kStart + 2s);
  connections.end_write(pairs[1].socket());
  connections.begin_write(pairs[1].socket(), kStart + 4s);  // has taken a piece meanwhile
  connections.begin_write(pairs[2].socket(), kStart + 3s);
  connections.open(pairs[3].socket(), kStart + 5s);
  EXPECT_FALSE(pairs[0].evicted());
  EXPECT_FALSE(pairs[1].evicted());
  EXPECT_TRUE(pairs[2].evicted());
}

TEST(Connections, KeepsAReaderThatTakesItsPiecesQuickly) {
  Connections connections(1, 30s);
  const std::vector<Pair> pairs(3);
  connections.open(pairs[0].socket(), kStart);
  connections.answer(pairs[0].socket(), kStart);
  connections.begin_write(pairs[0].socket(), kStart + 1s);
  connections.open(pairs[1].socket(), kStart + 1s + 100ms);
  EXPECT_FALSE(pairs[0].evicted());
  EXPECT_FALSE(pairs[1].evicted());  // nor is the newcomer itself: it has spare threads
  connections.open(pairs[2].socket(), kStart + 2s);
  EXPECT_TRUE(pairs[0].evicted());
}

TEST(Connections, OpenKeepsTheTimeOfAKnownConnection) {
  Connections connections(2, 30s);
  const std::vector<Pair> pairs(3);
  connections.open(pairs[0].socket(), kStart);
  connections.open(pairs[1].socket(), kStart + 1s);
  connections.open(pairs[0].socket(), kStart + 2s);  // its handshake has gone on
  connections.open(pairs[2].socket(), kStart + 3s);
  EXPECT_TRUE(pairs[0].evicted());
  EXPECT_FALSE(pairs[1].evicted());
}

TEST(Connections, EvictsAResponseThatTakesTooLong) {
  Connections connections(8, 30s);
  const std::vector<Pair> pairs(2);
  connections.open(pairs[0].socket(), kStart);
  connections.open(pairs[1].socket(), kStart);
  connections.answer(pairs[1].socket(), kStart + 100s);
  connections.housekeep(kStart + 130s);
  EXPECT_FALSE(pairs[0].evicted());  // waits, and that is not what is limited here
  EXPECT_FALSE(pairs[1].evicted());
  connections.housekeep(kStart + 131s);
  EXPECT_TRUE(pairs[1].evicted());
}

TEST(Connections, MakesRoomOnceReadersThatCameTogetherAreSlow) {
  Connections connections(2, 30s);
  const std::vector<Pair> pairs(4);
  for (const Pair& pair : pairs) {
    connections.open(pair.socket(), kStart);
    connections.answer(pair.socket(), kStart);
    connections.begin_write(pair.socket(), kStart);
  }
  connections.housekeep(kStart + 100ms);
  for (const Pair& pair : pairs) EXPECT_FALSE(pair.evicted());
  connections.housekeep(kStart + 1s);
  EXPECT_EQ(std::ranges::count_if(pairs, &Pair::evicted), 2);
}

TEST(Connections, LeavesForgottenSocketsAlone) {
  Connections connections(8, 30s);
  const std::vector<Pair> pairs(2);
  for (const Pair& pair : pairs) connections.open(pair.socket(), kStart);
  connections.forget(pairs[0].socket());
  connections.evict_all();
  EXPECT_FALSE(pairs[0].evicted());
  EXPECT_TRUE(pairs[1].evicted());
}

}  // namespace
}  // namespace kvmx
