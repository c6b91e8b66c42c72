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

  /// Whether that is so before long: a thread may still be about to say that it is done.
  static bool can_be_read(const fs::path& file) {
    const Clock::time_point end = Clock::now() + 20s;
    while (Clock::now() < end) {
      if (read_file_in_time(file, 100)) return true;
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
  EXPECT_EQ(*read_file_in_time(file, 100), "text");
  EXPECT_EQ(*read_file_in_time(file, 2), "te");
  EXPECT_FALSE(read_file_in_time(file.string() + "-not", 100));
  EXPECT_GT(timed_reads_cpu_time().count(), 0);
}

TEST_F(TimedReadTest, DoesNotWaitForWhatNeverEndsAndTriesItAgainOnceItDid) {
  const fs::path fifo = make_fifo();
  const auto refused = read_file_in_time(fifo, 100);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("too long"), std::string::npos);
  EXPECT_EQ(*read_file_in_time(make_file(), 100), "text") << "others are read";
  const auto again = read_file_in_time(fifo, 100);
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().message.find("still is"), std::string::npos);
  let_go(fifo);
  fs::remove(fifo);
  std::ofstream(fifo) << "text";
  EXPECT_TRUE(can_be_read(fifo));
}

TEST_F(TimedReadTest, LeavesSoManyThreadsToThemselvesAndNoMore) {
  constexpr int kMost = 16;
  std::vector<fs::path> fifos;
  const Clock::time_point began = Clock::now();
  for (int i = 0; i < kMost; ++i) {
    fifos.push_back(make_fifo());
    EXPECT_FALSE(read_file_in_time(fifos.back(), 100));
  }
  EXPECT_LT(Clock::now() - began, kMost * 400ms) << "soon, after the first";
  const fs::path file = make_file();
  EXPECT_FALSE(read_file_in_time(file, 100));
  let_go(fifos.front());
  EXPECT_TRUE(can_be_read(file));
  for (int i = 1; i < kMost; ++i) let_go(fifos[static_cast<std::size_t>(i)]);
  EXPECT_TRUE(can_be_read(file));
}

}  // namespace
}  // namespace kvmx
