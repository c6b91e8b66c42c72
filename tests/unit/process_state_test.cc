// SPDX-License-Identifier: Apache-2.0
#include "exporter/base/process_state.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "exporter/base/unique_fd.h"

namespace kvmx {
namespace {

namespace fs = std::filesystem;

class ProcessStateTest : public testing::Test {
 protected:
  ~ProcessStateTest() override { fs::remove_all(root_); }

  void stat(const std::string& text) {
    fs::create_directories(root_ / "10");
    std::ofstream(root_ / "10" / "stat") << text;
  }

  static VmKey started_at(std::uint64_t ticks) {
    return {10, ticks * (1'000'000'000 / ::sysconf(_SC_CLK_TCK)) + 5, 1};
  }

  const fs::path root_ =
      fs::temp_directory_path() / ("kvmx-process-state-" + std::to_string(::getpid()));
  const std::string stat_ = "10 (qemu) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 500 0 0\n";
};

TEST_F(ProcessStateTest, LivesIfItStartedWhenTheVmsProcessDid) {
  stat(stat_);
  EXPECT_EQ(read_process_state(root_, started_at(500)), ProcessState::lives);
}

TEST_F(ProcessStateTest, IsGoneIfThereIsNoneOrAnother) {
  EXPECT_EQ(read_process_state(root_, started_at(500)), ProcessState::gone);
  stat(stat_);
  EXPECT_EQ(read_process_state(root_, started_at(499)), ProcessState::gone);
}

// Without BTF that is all that is known of its start.
TEST_F(ProcessStateTest, LivesIfItStartedBeforeItWasFirstSeen) {
  stat(stat_);
  EXPECT_EQ(read_process_state(root_, started_at(501)), ProcessState::lives);
}

TEST_F(ProcessStateTest, IsUnknownIfItCannotBeRead) {
  stat("10 (qemu) S nonsense\n");
  EXPECT_EQ(read_process_state(root_, started_at(500)), ProcessState::unknown);
  fs::remove_all(root_ / "10");
  fs::create_directories(root_ / "10" / "stat");
  EXPECT_EQ(read_process_state(root_, started_at(500)), ProcessState::unknown);
}

TEST_F(ProcessStateTest, IsUnknownWithoutADescriptorToReadItBy) {
  stat(stat_);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 0;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const ProcessState state = read_process_state(root_, started_at(500));
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(state, ProcessState::unknown);
}

}  // namespace
}  // namespace kvmx
