// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/cpu_frequencies.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace kvmx {
namespace {

class CpuFrequenciesTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "kvmx-cpus-" + std::to_string(::getpid());
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void add_cpu(const std::string& name, const std::string& kilohertz) const {
    const std::filesystem::path cpufreq = std::filesystem::path(directory_) / name / "cpufreq";
    std::filesystem::create_directories(cpufreq);
    std::ofstream(cpufreq / "scaling_cur_freq") << kilohertz;
  }

  std::string directory_;
};

TEST_F(CpuFrequenciesTest, AreThoseOfTheCpusThatTell) {
  add_cpu("cpu0", "3500000\n");
  add_cpu("cpu10", "800000\n");
  add_cpu("cpu2", "<unknown>\n");
  add_cpu("cpufreq", "9000000\n");
  add_cpu("cpu", "9000000\n");
  std::filesystem::create_directories(directory_ + "/cpu3");
  const auto clock = read_cpu_clock(directory_);
  ASSERT_TRUE(clock);
  EXPECT_DOUBLE_EQ(clock->limit_hertz, 0);
  EXPECT_DOUBLE_EQ(clock->max_hertz, 3.5e9);
  EXPECT_DOUBLE_EQ(clock->mean_hertz, 2.15e9);
}

TEST_F(CpuFrequenciesTest, HaveALimitWhereTheDriverTells) {
  add_cpu("cpu0", "3500000\n");
  add_cpu("cpu1", "800000\n");
  std::ofstream(directory_ + "/cpu1/cpufreq/cpuinfo_max_freq") << "3900000\n";
  EXPECT_DOUBLE_EQ(read_cpu_clock(directory_)->limit_hertz, 3.9e9);
}

TEST_F(CpuFrequenciesTest, AreAbsentWithoutADriver) {
  std::filesystem::create_directories(directory_ + "/cpu0");
  EXPECT_FALSE(read_cpu_clock(directory_));
  EXPECT_FALSE(read_cpu_clock(directory_ + "/nowhere"));
}

}  // namespace
}  // namespace kvmx
