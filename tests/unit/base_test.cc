// SPDX-License-Identifier: Apache-2.0
// What reads and writes files for everything else.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spdlog/logger.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "exporter/base/file.h"
#include "exporter/base/stderr_sink.h"

namespace kvmx {
namespace {

namespace fs = std::filesystem;

TEST(ReadRegularFile, RefusesEverythingElseWithoutWaiting) {
  const fs::path path = fs::path(testing::TempDir()) / "kvmx-regular-file";
  fs::remove(path);
  std::ofstream(path) << "text";
  EXPECT_EQ(*read_regular_file(path, 4), "text");
  EXPECT_FALSE(read_regular_file(path, 3));
  fs::remove(path);
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const auto fifo = read_regular_file(path, 100);
  ASSERT_FALSE(fifo);
  EXPECT_NE(fifo.error().message.find("not a regular file"), std::string::npos);
  fs::remove(path);
  EXPECT_FALSE(read_regular_file(path, 100));
  EXPECT_FALSE(read_regular_file("/dev/zero", 100));
  EXPECT_FALSE(read_regular_file(testing::TempDir(), 100));
}

TEST(StderrSink, DropsWhatNobodyReadsAndSaysHowMuch) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(::pipe(ends), 0);
  const auto sink = std::make_shared<StderrSink>(ends[1]);
  spdlog::logger logger("test", sink);
  logger.set_pattern("%v");
  constexpr int kMessages = 100;
  const std::string text(4000, 'x');
  for (int i = 0; i < kMessages; ++i) logger.info(text);  // more than a pipe holds
  std::string read(1U << 20U, '\0');
  const ssize_t got = ::read(ends[0], read.data(), read.size());
  ASSERT_GT(got, 0);
  const auto whole = static_cast<int>(got / static_cast<ssize_t>(text.size() + 1));
  EXPECT_LT(whole, kMessages);
  logger.info("again");
  const ssize_t more = ::read(ends[0], read.data(), read.size());
  ASSERT_GT(more, 0);
  const std::string last(read.data(), static_cast<std::size_t>(more));
  EXPECT_EQ(last, std::to_string(kMessages - whole) +
                      " messages were dropped: nobody read standard error\nagain\n");
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace kvmx
