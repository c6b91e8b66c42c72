// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/proc.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "exporter/base/process.h"
#include "exporter/identity/command_line.h"

#ifndef KVMX_FIXTURES
#error "define KVMX_FIXTURES as the path of tests/fixtures"
#endif

namespace kvmx {
namespace {

const Proc& fixture() {
  static const Proc proc(std::filesystem::path(KVMX_FIXTURES) / "proc");
  return proc;
}

// 4242: a QEMU of libvirt's. Its main thread is named as -name's process= or libvirt would have it.
TEST(Proc, ReadsAProcess) {
  const auto cmdline = fixture().read_cmdline(4242).content;
  ASSERT_TRUE(cmdline);
  EXPECT_EQ(cmdline->size(), 152U);
  const auto identity = identify(*cmdline);
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->name, "web,1");
  EXPECT_EQ(identity->uuid, "1b4e28ba-2fa1-11d2-883f-0016d3cca427");
  EXPECT_EQ(fixture().read_comm(4242), "qemu-system-x86");
  EXPECT_EQ(fixture().read_start_ticks(4242), 8192361U);
}

// 77: a process that named itself "a) R (b\n", and a zombie: its command line is empty.
TEST(Proc, ReadsAZombieWithAnOddName) {
  EXPECT_EQ(fixture().read_cmdline(77).content, "");
  EXPECT_EQ(fixture().read_comm(77), "a) R (b\n");
  EXPECT_EQ(fixture().read_start_ticks(77), 18446744073709551615U);
}

TEST(Proc, AProcessThatIsGoneIsNoError) {
  EXPECT_FALSE(fixture().read_cmdline(1).content);
  EXPECT_FALSE(fixture().read_comm(1));
  EXPECT_FALSE(fixture().read_start_ticks(1));
}

TEST(Proc, ReadsThisProcess) {
  const Proc proc;
  const auto self = static_cast<std::uint32_t>(::getpid());
  const auto cmdline = proc.read_cmdline(self).content;
  ASSERT_TRUE(cmdline);
  EXPECT_FALSE(cmdline->empty());
  EXPECT_TRUE(proc.read_comm(self));
  const auto ticks = proc.read_start_ticks(self);
  ASSERT_TRUE(ticks);
  EXPECT_GT(*ticks, 0U);
  EXPECT_EQ(proc.read_start_ticks(self), ticks);
}

TEST(Proc, ReadsThreadsAndTheExecutable) {
  const Proc proc;
  const auto self = static_cast<std::uint32_t>(::getpid());
  const auto threads = proc.read_threads(self, 64);
  ASSERT_FALSE(threads.empty());
  EXPECT_NE(std::ranges::find(threads, self), threads.end());
  EXPECT_EQ(proc.read_cgroup(self, self), proc.read_cgroup(self));
  EXPECT_TRUE(proc.read_threads(self, 0).empty());
  EXPECT_TRUE(proc.read_executable(self).value_or("").ends_with("unit_tests"));
  EXPECT_FALSE(fixture().read_executable(1));
  EXPECT_TRUE(fixture().read_threads(1, 64).empty());
}

TEST(Proc, ReadsNoMoreThanAMebibyteOfACommandLine) {
  const auto root =
      std::filesystem::path(testing::TempDir()) / ("kvmx-proc-test-" + std::to_string(::getpid()));
  std::filesystem::create_directories(root / "9");
  std::ofstream(root / "9" / "cmdline") << std::string(std::size_t{3} << 20, 'x');
  const auto cmdline = Proc(root).read_cmdline(9).content;
  std::filesystem::remove_all(root);
  ASSERT_TRUE(cmdline);
  EXPECT_EQ(cmdline->size(), std::size_t{1} << 20);
}

// ---- /proc/PID/stat -----------------------------------------------------------------------------

std::string stat_with(const std::string& comm, const std::string& start) {
  return "1 (" + comm + ") S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 " + start +
         " 174460928 3391 18446744073709551615\n";
}

TEST(ParseStat, HasItsFieldsWhateverTheName) {
  for (const char* comm : {"init", "", "a b", "a)b", ")", "(", ") S 1 2 3", "\n", "))) )"}) {
    const auto fields = parse_stat(stat_with(comm, "8192"));
    ASSERT_TRUE(fields) << comm;
    EXPECT_EQ(fields->start_ticks, 8192U) << comm;
    EXPECT_EQ(fields->cpu_ticks, 5U + 6U) << comm;
    EXPECT_EQ(fields->virtual_bytes, 174460928U) << comm;
    EXPECT_EQ(fields->resident_pages, 3391U) << comm;
  }
}

TEST(ParseStat, RefusesWhatIsMalformed) {
  for (const std::string& stat : {std::string(), std::string("1"), std::string("1 (x"),
                                  std::string("1 (x)"), std::string("1 (x) S 0 1 1 0"),
                                  std::string("1 (x) S 0 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 9"),
                                  stat_with("x", ""), stat_with("x", "-1"), stat_with("x", "x"),
                                  stat_with("x", "12x"), stat_with("x", "18446744073709551616")}) {
    EXPECT_FALSE(parse_stat(stat)) << stat;
  }
}

}  // namespace
}  // namespace kvmx
