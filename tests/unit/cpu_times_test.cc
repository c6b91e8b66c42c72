// SPDX-License-Identifier: Apache-2.0
#include "exporter/counts/cpu_times.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

namespace kvmx {
namespace {

constexpr std::uint64_t kStart = 5'000;  ///< of the VM's process

listed_thread thread(std::uint32_t tid, std::uint64_t runtime, std::uint64_t ended = 0) {
  return {.start = 1'000 + tid,
          .vm_start = kStart,
          .runtime_ns = runtime,
          .run_delay_ns = runtime / 10,
          .ended_ns = ended,
          .tid = tid,
          .tgid = 100,
          .origin = KVMX_THREAD_OF_PROCESS,
          .unused = 0,
          .comm = "qemu"};
}

listed_thread kernel_thread(std::uint32_t tid, const std::string& name, std::uint64_t runtime) {
  listed_thread made = thread(tid, runtime);
  made.tgid = tid;
  made.vm_start = 77;
  made.origin = KVMX_THREAD_KERNEL;
  std::snprintf(made.comm, sizeof(made.comm), "%s", name.c_str());
  return made;
}

/// A VM of process 100 whose vCPUs 0 and 1 run on threads 101 and 102.
VmCounts vm(std::uint64_t kvm = 9) {
  VmCounts made;
  made.key = {100, kStart, kvm};
  made.vcpus.resize(2);
  made.vcpus[0].id = 0;
  made.vcpus[1].id = 1;
  made.threads = {{101, 0}, {102, 1}};
  return made;
}

class CpuTimesTest : public testing::Test {
 protected:
  /// What is exported of `vms` after a listing.
  std::vector<VmCounts> observe(std::vector<listed_thread> threads, std::vector<VmCounts> vms,
                                const VcpuListing& listing = {}) {
    std::ranges::sort(threads, {}, &listed_thread::tid);
    times_.observe(threads, vms, listing);
    times_.fill(vms);
    return vms;
  }

  CpuTimes times_;
};

using Kinds = std::array<std::uint64_t, kThreadKinds>;

TEST_F(CpuTimesTest, AreByThreadFromTheirBeginning) {
  const VmCounts seen = observe({thread(100, 5), thread(101, 1000), thread(102, 30)}, {vm()})[0];
  EXPECT_EQ(seen.cpu_ns, (Kinds{1030, 5, 0, 0}));
  EXPECT_EQ(seen.vcpus[0].cpu_ns, 1000U);
  EXPECT_EQ(seen.vcpus[0].run_delay_ns, 100U);
  EXPECT_EQ(seen.vcpus[1].cpu_ns, 30U);
  EXPECT_EQ(seen.total.cpu_ns, 1030U);
  EXPECT_EQ(seen.total.run_delay_ns, 103U);
}

TEST_F(CpuTimesTest, AThreadThatEndedKeepsItsTime) {
  observe({thread(100, 5), thread(101, 1000), thread(102, 30)}, {vm()});
  // It had 7 more before its end, of which the kernel's sum tells.
  const VmCounts seen = observe({thread(100, 6, 37), thread(101, 1001, 37)}, {vm()})[0];
  EXPECT_EQ(seen.cpu_ns, (Kinds{1031, 6 + 7, 0, 0}));
  EXPECT_EQ(seen.vcpus[1].cpu_ns, 30U);
}

TEST_F(CpuTimesTest, ThreadsThatWereNeverListedCountForTheVmm) {
  observe({thread(100, 5)}, {vm()});
  EXPECT_EQ(observe({thread(100, 5, 900)}, {vm()})[0].cpu_ns, (Kinds{0, 905, 0, 0}));
  EXPECT_EQ(observe({thread(100, 5, 950)}, {vm()})[0].cpu_ns, (Kinds{0, 955, 0, 0}));
}

TEST_F(CpuTimesTest, AnEndWithinAListingCountsOnce) {
  observe({thread(100, 5), thread(101, 40), thread(102, 30)}, {vm()});
  // 101 is listed, then it ends, then 102 is listed.
  observe({thread(100, 5, 0), thread(101, 44, 0), thread(102, 31, 44)}, {vm()});
  const VmCounts seen = observe({thread(100, 5, 44), thread(102, 31, 44)}, {vm()})[0];
  EXPECT_EQ(seen.cpu_ns, (Kinds{75, 5, 0, 0}));
}

TEST_F(CpuTimesTest, NoneStepsBackWhenAnIdIsUsedAgain) {
  observe({thread(100, 5), thread(101, 1000)}, {vm()});
  listed_thread another = thread(101, 3, 1000);
  another.start += 50;
  const VmCounts seen = observe({thread(100, 5, 1000), another}, {vm()})[0];
  EXPECT_EQ(seen.cpu_ns, (Kinds{1003, 5, 0, 0}));
}

TEST_F(CpuTimesTest, KernelThreadsCountForWhomTheyWereMade) {
  const VmCounts seen =
      observe({thread(100, 5), kernel_thread(50, "vhost-100", 40), kernel_thread(51, "vhost-7", 1),
               kernel_thread(52, "kvm-pit/100", 3), kernel_thread(53, "vhost-x", 1)},
              {vm()})[0];
  EXPECT_EQ(seen.cpu_ns, (Kinds{0, 5, 40, 3}));
}

TEST_F(CpuTimesTest, TheTimerChipIsThatOfItsVmWhereKvmTells) {
  VcpuListing listing;
  ListedVcpu vcpu;
  vcpu.tgid = 100;
  vcpu.start_ns = kStart;
  vcpu.kvm = 10;
  vcpu.pit_tid = 52;
  listing.vcpus = {vcpu};
  VmCounts second = vm(10);
  second.threads = {};
  const auto seen =
      observe({thread(100, 5), kernel_thread(52, "kvm-pit/1", 3)}, {vm(), second}, listing);
  EXPECT_EQ(seen[0].cpu_ns, (Kinds{0, 5, 0, 0}));
  EXPECT_EQ(seen[1].cpu_ns, (Kinds{0, 0, 0, 3}));
}

TEST_F(CpuTimesTest, WorkersOfVhostInTheProcess) {
  listed_thread worker = thread(105, 60);
  worker.origin = KVMX_THREAD_VHOST;
  EXPECT_EQ(observe({thread(100, 5), worker}, {vm()})[0].cpu_ns, (Kinds{0, 5, 60, 0}));
}

TEST_F(CpuTimesTest, AThreadOfAnotherProcessIsNotTheVms) {
  listed_thread other = thread(101, 60);
  other.tgid = 101;
  EXPECT_EQ(observe({thread(100, 5), other}, {vm()})[0].cpu_ns, (Kinds{0, 5, 0, 0}));
}

TEST_F(CpuTimesTest, StayWithAVmThatGetsItsPointer) {
  observe({thread(100, 5), thread(101, 1000)}, {vm(0)});
  EXPECT_EQ(observe({thread(100, 5), thread(101, 1001)}, {vm(9)})[0].cpu_ns,
            (Kinds{1001, 5, 0, 0}));
}

TEST_F(CpuTimesTest, OfAVmThatEndedStayUntilItIsForgotten) {
  observe({thread(100, 5), thread(101, 1000)}, {vm()});
  EXPECT_EQ(observe({}, {vm()})[0].cpu_ns, (Kinds{1000, 5, 0, 0}));
  observe({}, {});
  EXPECT_EQ(observe({}, {vm()})[0].cpu_ns, (Kinds{}));
}

}  // namespace
}  // namespace kvmx
