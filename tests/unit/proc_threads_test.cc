// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/proc_threads.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>

namespace kvmx {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kTick = 10'000'000;
constexpr std::uint64_t kStart = 500 * kTick;  ///< of processes, to the exporter
constexpr std::uint64_t kKernel = 0x00200040;
constexpr std::uint64_t kUserWorker = 0x00404040;

/// A /proc of our own.
class ProcThreadsTest : public testing::Test {
 protected:
  ~ProcThreadsTest() override { fs::remove_all(root_); }

  /// A thread that began at tick 400, or `start`.
  void thread(std::uint32_t pid, std::uint32_t tid, const std::string& times,
              const std::string& comm = "qemu", std::uint64_t flags = 0x400040, int start = 400) {
    const fs::path task = task_of(pid, tid);
    fs::create_directories(task);
    std::ofstream(task / "schedstat") << times << "\n";
    std::ofstream(task / "stat") << tid << " (" << comm << ") S 1 1 1 0 -1 " << flags
                                 << " 0 0 0 0 7 8 0 0 20 0 1 0 " << start << " 4096 1\n";
  }

  void kernel_thread(std::uint32_t pid, const std::string& comm, const std::string& times) {
    thread(pid, pid, times, comm, kKernel);
    std::ofstream(root_ / std::to_string(pid) / "comm") << comm << "\n";
    children_ += std::to_string(pid) + " ";
    fs::create_directories(task_of(2, 2));
    std::ofstream(task_of(2, 2) / "children") << children_;
  }

  [[nodiscard]] fs::path task_of(std::uint32_t pid, std::uint32_t tid) const {
    return root_ / std::to_string(pid) / "task" / std::to_string(tid);
  }

  std::vector<listed_thread> list() { return threads_.list(vms_); }

  const fs::path root_ = fs::temp_directory_path() / ("kvmx-threads-" + std::to_string(::getpid()));
  std::string children_;
  std::map<std::uint32_t, std::uint64_t> vms_ = {{100, kStart}};
  ProcThreads threads_{root_};
};

TEST(Schedstat, HasThreeNumbers) {
  const auto times = parse_schedstat("123456789012 345 6\n");
  ASSERT_TRUE(times);
  EXPECT_EQ(times->runtime_ns, 123'456'789'012U);
  EXPECT_EQ(times->run_delay_ns, 345U);
  EXPECT_EQ(times->turns, 6U);
  // A thread that never ran, or a kernel that does not count.
  for (const char* none : {"0 0 0\n", "", "\n", "1\n", "1 2\n", "1 2 3", "1 2 3 4\n", "x 2 3\n",
                           "1 2 99999999999999999999\n", "-1 2 3\n"})
    EXPECT_FALSE(parse_schedstat(none)) << none;
}

TEST_F(ProcThreadsTest, AreThoseOfTheProcesses) {
  thread(100, 100, "5 1 1");
  thread(100, 102, "1000 30 9", "CPU 0/KVM");
  thread(200, 200, "7 7 7");
  const auto listed = list();
  ASSERT_EQ(listed.size(), 2U);
  EXPECT_EQ(listed[0].tid, 100U);
  EXPECT_EQ(listed[1].tid, 102U);
  EXPECT_EQ(listed[1].tgid, 100U);
  EXPECT_EQ(listed[1].runtime_ns, 1000U);
  EXPECT_EQ(listed[1].run_delay_ns, 30U);
  EXPECT_EQ(listed[1].start, 400 * kTick);
  EXPECT_EQ(listed[1].vm_start, kStart);
  EXPECT_EQ(listed[1].origin, KVMX_THREAD_OF_PROCESS);
  EXPECT_STREQ(listed[1].comm, "CPU 0/KVM");
}

TEST_F(ProcThreadsTest, WorkersOfVhostAreToldByTheirFlagsAndName) {
  thread(100, 101, "5 1 1", "vhost-100", kUserWorker);
  thread(100, 102, "5 1 1", "vhost-100");
  EXPECT_EQ(list()[0].origin, KVMX_THREAD_VHOST);
  EXPECT_EQ(list()[1].origin, KVMX_THREAD_OF_PROCESS);
}

TEST_F(ProcThreadsTest, TheKernelsOwnAreThoseThatVhostOrKvmMade) {
  thread(100, 100, "5 1 1");
  kernel_thread(50, "vhost-100", "40 1 1");
  kernel_thread(51, "kvm-pit/100", "3 1 1");
  kernel_thread(52, "kworker/0:1", "9 1 1");
  // A program that takes the name is none.
  thread(53, 53, "9 1 1", "vhost-100");
  std::ofstream(root_ / "53/comm") << "vhost-100\n";
  children_ += "53";
  std::ofstream(task_of(2, 2) / "children") << children_;
  const auto listed = list();
  ASSERT_EQ(listed.size(), 3U);
  EXPECT_EQ(listed[0].tid, 50U);
  EXPECT_EQ(listed[0].origin, KVMX_THREAD_KERNEL);
  EXPECT_STREQ(listed[1].comm, "kvm-pit/100");
  EXPECT_EQ(listed[2].tid, 100U);
}

TEST_F(ProcThreadsTest, AThreadThatEndsIsNotListed) {
  thread(100, 100, "5 1 1");
  thread(100, 102, "1000 30 9");
  EXPECT_EQ(list().size(), 2U);
  fs::remove_all(task_of(100, 102));
  EXPECT_EQ(list().size(), 1U);
  fs::remove_all(root_ / "100");
  EXPECT_TRUE(list().empty());
}

TEST_F(ProcThreadsTest, AnIdThatIsUsedAgainIsAnotherThread) {
  thread(100, 102, "1000 30 9");
  list();
  thread(100, 102, "1100 30 10", "renamed", 0x400040, 450);
  EXPECT_EQ(list()[0].start, 400 * kTick) << "it only went on: who it is need not be read again";
  thread(100, 102, "1200 2 11", "another", 0x400040, 450);
  EXPECT_EQ(list()[0].start, 450 * kTick);
  EXPECT_EQ(list()[0].run_delay_ns, 2U);
}

TEST_F(ProcThreadsTest, AReadThatFailsIsNoNews) {
  thread(100, 102, "1000 30 9");
  list();
  fs::remove(task_of(100, 102) / "schedstat");
  fs::create_directory(task_of(100, 102) / "schedstat");  // reading it is EISDIR
  ASSERT_EQ(list().size(), 1U);
  EXPECT_EQ(list()[0].runtime_ns, 1000U);
}

TEST_F(ProcThreadsTest, AProcessThatBeganLaterIsAnother) {
  thread(100, 100, "5 1 1", "bash", 0x400040, 501);
  EXPECT_TRUE(list().empty());
  vms_[100] = 501 * kTick;
  EXPECT_EQ(list().size(), 1U);
  vms_.clear();
  EXPECT_TRUE(list().empty());
}

std::uint64_t cpu_time_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(time.tv_nsec);
}

/// The sanitizers make what is done besides reading several times slower.
TEST_F(ProcThreadsTest, ManyVmsAreReadInTurn) {
  constexpr std::uint32_t kVms = 1000;
  vms_.clear();
  for (std::uint32_t pid = 1000; pid < 1000 + kVms; ++pid) {
    vms_[pid] = kStart;
    for (std::uint32_t i = 0; i < 2; ++i) thread(pid, i == 0 ? pid : pid * 10 + i, "5 1 1");
  }
  std::size_t calls = 0;
  std::uint64_t most = 0;
  for (std::size_t listed = 0; listed < 2 * kVms && calls < 1000; ++calls) {
    const std::uint64_t before = cpu_time_ns();
    const std::size_t now = list().size();
    most = std::max(most, cpu_time_ns() - before);
    EXPECT_GT(now, listed) << "each call gets on";
    listed = now;
  }
  EXPECT_GT(calls, 1U);
  EXPECT_LT(calls, 1000U);
  EXPECT_LT(most, 60'000'000U);
  // Those of the first come again, though none has ended.
  thread(1000, 1000, "6 1 2");
  std::size_t more = 0;
  while (list()[0].runtime_ns != 6 && more < 1000) ++more;
  EXPECT_LE(more, 2 * calls);
}

}  // namespace
}  // namespace kvmx
