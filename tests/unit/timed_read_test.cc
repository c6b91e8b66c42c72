// SPDX-License-Identifier: Apache-2.0
#include "exporter/base/timed_read.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace kvmx {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

/// FIFOs, whose readers wait until somebody writes to them.
class TimedReadTest : public testing::Test {
 protected:
  TimedReadTest() {
    std::string path = testing::TempDir() + "kvmx-timed-XXXXXX";
    directory_ = ::mkdtemp(path.data());
  }
  ~TimedReadTest() override { fs::remove_all(directory_); }

  fs::path make_fifo() {
    fs::path path = directory_ / std::to_string(fifos_++);
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    return path;
  }

  /// Whoever reads it comes to an end.
  static void let_go(const fs::path& fifo) {
    const int fd = ::open(fifo.c_str(), O_WRONLY | O_NONBLOCK);
    EXPECT_GE(fd, 0) << "nobody reads " << fifo;
    ::close(fd);
  }

  static TimedRead read(const fs::path& file, std::size_t limit = 100, std::uint64_t owner = 1) {
    return read_file_in_time(file, limit, [owner] { return owner; });
  }

  /// Whether that is so before long: a thread may still be about to say that it is done.
  static bool can_be_read(const fs::path& file, std::uint64_t owner = 1) {
    const Clock::time_point end = Clock::now() + 20s;
    while (Clock::now() < end) {
      if (read(file, 100, owner).content) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }

  fs::path make_file() {
    std::ofstream(directory_ / "file") << "text";
    return directory_ / "file";
  }

 private:
  fs::path directory_;
  int fifos_ = 0;
};

TEST_F(TimedReadTest, ReadsWhatCanBeRead) {
  const fs::path file = make_file();
  EXPECT_EQ(read(file).content, "text");
  EXPECT_EQ(read(file, 2).content, "te");
  EXPECT_FALSE(read(file.string() + "-not").content);
  EXPECT_FALSE(read(file.string() + "-not").refused);
  EXPECT_GT(timed_reads_cpu_time().count(), 0);
}

TEST_F(TimedReadTest, DoesNotWaitForWhatNeverEndsAndTriesItAgainOnceItDid) {
  const fs::path fifo = make_fifo();
  for (int i = 0; i < 2; ++i) {
    const TimedRead late = read(fifo);
    EXPECT_FALSE(late.content || late.refused) << i;
  }
  EXPECT_EQ(read(make_file()).content, "text") << "others are read";
  let_go(fifo);
  fs::remove(fifo);
  std::ofstream(fifo) << "text";
  EXPECT_TRUE(can_be_read(fifo));
}

TEST_F(TimedReadTest, OneOwnersFilesKeepNoOthersFromBeingRead) {
  const fs::path file = make_file();
  std::vector<fs::path> fifos;
  const Clock::time_point began = Clock::now();
  // Each has half of what others leave of 256.
  for (const std::uint64_t owner : {1, 2, 3}) {
    const int most = 256 >> owner;
    for (int i = 0; i < most; ++i) {
      fifos.push_back(make_fifo());
      EXPECT_FALSE(read(fifos.back(), 100, owner).content);
      EXPECT_FALSE(read(fifos.back(), 100, owner).refused) << owner << ' ' << i;
    }
    EXPECT_TRUE(read(file, 100, owner).refused);
    EXPECT_TRUE(can_be_read(file, owner + 1));
  }
  EXPECT_LT(Clock::now() - began, 25s) << "soon, after the first";
  for (const fs::path& fifo : fifos) let_go(fifo);
  EXPECT_TRUE(can_be_read(file)) << "there is room again";
  // Until all of them are done, so that other tests find all the room.
  for (const fs::path& fifo : fifos) {
    fs::remove(fifo);
    std::ofstream(fifo) << "text";
    EXPECT_TRUE(can_be_read(fifo));
  }
}

TEST_F(TimedReadTest, OneSoonAfterAnotherIsTheSameThreads) {
  const auto thread = [] {
    const std::string stat = read("/proc/thread-self/stat").content.value_or("");
    return stat.substr(0, stat.find(' '));
  };
  bool same = false;
  for (int tries = 0; tries < 50 && !same; ++tries) same = thread() == thread();  // if in time
  EXPECT_TRUE(same);
}

}  // namespace
}  // namespace kvmx
