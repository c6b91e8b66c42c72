// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/connections.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

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
  [[nodiscard]] bool evict() const {
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
  EXPECT_FALSE(pairs[0].evict());  // is being answered
  EXPECT_TRUE(pairs[1].evict());
  EXPECT_FALSE(pairs[2].evict());

  connections.wait_for_request(pairs[0].socket(), kStart + 4s);
  connections.open(pairs[3].socket(), kStart + 5s);
  EXPECT_FALSE(pairs[0].evict());
  EXPECT_TRUE(pairs[2].evict());  // has been waiting for longer
  EXPECT_FALSE(pairs[3].evict());
}

TEST(Connections, OpenKeepsTheTimeOfAKnownConnection) {
  Connections connections(2, 30s);
  const std::vector<Pair> pairs(3);
  connections.open(pairs[0].socket(), kStart);
  connections.open(pairs[1].socket(), kStart + 1s);
  connections.open(pairs[0].socket(), kStart + 2s);  // its handshake has gone on
  connections.open(pairs[2].socket(), kStart + 3s);
  EXPECT_TRUE(pairs[0].evict());
  EXPECT_FALSE(pairs[1].evict());
}

TEST(Connections, EvictsAResponseThatTakesTooLong) {
  Connections connections(8, 30s);
  const std::vector<Pair> pairs(2);
  connections.open(pairs[0].socket(), kStart);
  connections.open(pairs[1].socket(), kStart);
  connections.answer(pairs[1].socket(), kStart + 100s);
  connections.evict_late(kStart + 130s);
  EXPECT_FALSE(pairs[0].evict());  // waits, and that is not what is limited here
  EXPECT_FALSE(pairs[1].evict());
  connections.evict_late(kStart + 131s);
  EXPECT_TRUE(pairs[1].evict());
}

TEST(Connections, LeavesForgottenSocketsAlone) {
  Connections connections(8, 30s);
  const std::vector<Pair> pairs(2);
  for (const Pair& pair : pairs) connections.open(pair.socket(), kStart);
  connections.forget(pairs[0].socket());
  connections.evict_all();
  EXPECT_FALSE(pairs[0].evict());
  EXPECT_TRUE(pairs[1].evict());
}

}  // namespace
}  // namespace kvmx
