// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/listeners.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace kvmx {
namespace {

namespace fs = std::filesystem;

/// A path in a directory of its own, which goes with it.
class UnixListener : public testing::Test {
 protected:
  UnixListener() {
    std::string name = testing::TempDir() + "kvmx-listener-XXXXXX";
    directory_ = ::mkdtemp(name.data());
    path_ = directory_ / "socket";
  }
  ~UnixListener() override { fs::remove_all(directory_); }

  Result<Listener> listen() { return listen_on({.host = "", .port = 0, .path = path_.string()}); }

  /// A socket of this type at the path, which nobody listens on.
  [[nodiscard]] UniqueFd bound_socket(int type) const {
    sockaddr_un where{};
    where.sun_family = AF_UNIX;
    path_.string().copy(where.sun_path, sizeof(where.sun_path) - 1);
    UniqueFd socket(::socket(AF_UNIX, type, 0));
    const auto* address = reinterpret_cast<const sockaddr*>(&where);
    EXPECT_EQ(::bind(socket.get(), address, sizeof(where)), 0);
    return socket;
  }

  fs::path directory_;
  fs::path path_;
};

TEST_F(UnixListener, ReplacesAStaleSocket) {
  { ASSERT_TRUE(listen()); }
  ASSERT_TRUE(fs::is_socket(path_));
  const Result<Listener> again = listen();
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(again->is_unix);
}

TEST_F(UnixListener, LeavesASocketThatIsInUse) {
  const Result<Listener> first = listen();
  ASSERT_TRUE(first);
  const Result<Listener> second = listen();
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("another process has this socket"), std::string::npos);
}

TEST_F(UnixListener, LeavesASocketThatSomebodyHas) {
  for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}) {
    {
      // Another exporter may be about to listen on it.
      const UniqueFd owner = bound_socket(type);
      const Result<Listener> second = listen();
      ASSERT_FALSE(second) << type;
      EXPECT_NE(second.error().message.find("another process has this socket"), std::string::npos);
      EXPECT_TRUE(fs::is_socket(path_)) << type;
      if (type != SOCK_DGRAM) {
        ASSERT_EQ(::listen(owner.get(), 1), 0);
        EXPECT_FALSE(listen()) << type;
        EXPECT_TRUE(fs::is_socket(path_)) << type;
      }
    }
    const Result<Listener> after = listen();
    EXPECT_TRUE(after) << type << " is stale now";
    fs::remove(path_);
  }
}

TEST_F(UnixListener, LeavesASocketThatIsConnectedToAnother) {
  const UniqueFd owner = bound_socket(SOCK_DGRAM);
  const fs::path first = std::exchange(path_, directory_ / "other");
  const UniqueFd other = bound_socket(SOCK_DGRAM);
  sockaddr_un where{};
  where.sun_family = AF_UNIX;
  path_.string().copy(where.sun_path, sizeof(where.sun_path) - 1);
  ASSERT_EQ(::connect(owner.get(), reinterpret_cast<const sockaddr*>(&where), sizeof(where)), 0);
  path_ = first;
  EXPECT_FALSE(listen());
  EXPECT_TRUE(fs::is_socket(first));
}

TEST_F(UnixListener, SaysAtOnceThatASocketWithAFullBacklogIsInUse) {
  sockaddr_un where{};
  where.sun_family = AF_UNIX;
  path_.string().copy(where.sun_path, sizeof(where.sun_path) - 1);
  const auto* address = reinterpret_cast<const sockaddr*>(&where);
  const UniqueFd owner(::socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_EQ(::bind(owner.get(), address, sizeof(where)), 0);
  ASSERT_EQ(::listen(owner.get(), 0), 0);
  std::vector<UniqueFd> clients;
  do clients.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
  while (::connect(clients.back().get(), address, sizeof(where)) == 0);
  const auto began = std::chrono::steady_clock::now();
  EXPECT_FALSE(listen());
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(2));
}

TEST_F(UnixListener, LeavesAnythingElse) {
  std::ofstream(path_) << "precious";
  EXPECT_FALSE(listen());
  EXPECT_EQ(fs::file_size(path_), 8U);
  fs::remove(path_);

  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_FALSE(listen());
  EXPECT_TRUE(fs::is_fifo(path_));
  fs::remove(path_);

  fs::create_symlink("elsewhere", path_);
  EXPECT_FALSE(listen());
  EXPECT_TRUE(fs::is_symlink(path_));
  fs::remove(path_);

  fs::create_directory(path_);
  EXPECT_FALSE(listen());
  EXPECT_TRUE(fs::is_directory(path_));
}

TEST(TcpListener, SaysThatANameDoesNotResolve) {
  const Result<Listener> listener =
      listen_on({.host = "nowhere.invalid", .port = 10'177, .path = ""});
  ASSERT_FALSE(listener);
  EXPECT_NE(listener.error().message.find("\"nowhere.invalid\" does not resolve"),
            std::string::npos);
}

TEST(TcpListener, SaysThatAPortIsInUse) {
  const Result<Listener> first = listen_on({.host = "127.0.0.1", .port = 10'371, .path = ""});
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_FALSE(first->is_unix);
  const Result<Listener> second = listen_on({.host = "127.0.0.1", .port = 10'371, .path = ""});
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("is another exporter running there"), std::string::npos);
}

}  // namespace
}  // namespace kvmx
