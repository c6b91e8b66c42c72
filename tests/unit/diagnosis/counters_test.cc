// SPDX-License-Identifier: Apache-2.0
#include "exporter/diagnosis/counters.h"

#include <gtest/gtest.h>

#include <map>

#include "exporter/counts/sum_counts.h"

namespace kvmx {
namespace {

VmCounters read(const VcpuCounts& vcpu, Isa isa = Isa::vmx) {
  VmCounts counts;
  counts.key = {1, 2, 3};
  counts.isa = isa;
  counts.vcpus = {vcpu};
  counts.total = total(counts.vcpus);
  VmCounters read;
  read_counters(counts, false, read);
  return read;
}

TEST(Counters, AreSumsOverCauses) {
  VcpuCounts vcpu;
  vcpu.id = 3;
  vcpu.reasons = {{std::nullopt, 1, 10'000}, {12, 100, 900'000}, {32, 50, 20'000}, {40, 7, 5000}};
  vcpu.timer_arms = {30, 40};
  vcpu.halts = {{{5, 1000}, {95, 99'000}}};
  vcpu.userspace_exits = {{2, 7}, {5, 1}};
  vcpu.userspace_ns = 4000;
  const VmCounters vm = read(vcpu);
  EXPECT_EQ(vm.key, (VmKey{1, 2, 3}));
  ASSERT_EQ(vm.vcpus.size(), 1U);
  const VcpuCounters& counters = vm.vcpus[0];
  EXPECT_EQ(counters.id, 3U);
  EXPECT_EQ(counters.exits, 158U);
  EXPECT_EQ(counters.exit_ns, 30'000U);  // without HLT and PAUSE
  EXPECT_EQ(counters.timer_arms_sw, 30U);
  EXPECT_EQ(counters.timer_arms_hv, 40U);
  EXPECT_EQ(counters.halts, 100U);
  EXPECT_EQ(counters.halt_ns, 100'000U);
  EXPECT_EQ(counters.poll_ns, 1000U);
  EXPECT_EQ(counters.userspace_exits, 8U);
  EXPECT_EQ(counters.userspace_ns, 4000U);
  ASSERT_EQ(vm.reasons.size(), 4U);
  EXPECT_EQ(vm.reasons[0].code, 12U);
  EXPECT_EQ(vm.reasons[0].ns, 0U);  // it waits
  EXPECT_EQ(vm.reasons[1].ns, 20'000U);
  EXPECT_EQ(vm.reasons[3].code, CodeCounter::kOther);
  EXPECT_EQ(vm.reasons[3].count, 1U);
}

TEST(Counters, LeaveWaitsOutOfExitTimeByTheNamesOfEachIsa) {
  VcpuCounts vcpu;
  vcpu.reasons = {{0x77, 1, 10},  {0x78, 1, 20},   {0xa6, 1, 40},
                  {0x400, 1, 80}, {0x403, 1, 160}, {0x80000004, 1, 320}};
  EXPECT_EQ(read(vcpu, Isa::svm).vcpus[0].exit_ns, 80U);
  EXPECT_EQ(read(vcpu, Isa::svm).vcpus[0].exits, 6U);
  EXPECT_EQ(read(vcpu, Isa::vmx).vcpus[0].exit_ns, 630U);
}

TEST(Counters, TellTimersFromOtherMsrs) {
  VcpuCounts vcpu;
  vcpu.msrs = {{std::nullopt, {1, 2}}, {0x6e0, {5, 100}},     {0x838, {0, 10}},    {0x80b, {0, 70}},
               {0x400000b0, {0, 40}},  {0x400000b1, {0, 30}}, {0x400000b7, {0, 9}}};
  const VmCounters vm = read(vcpu);
  // A Hyper-V timer's configuration and count are one timer.
  EXPECT_EQ(vm.vcpus[0].timer_programs, 100U + 10 + 40 + 9);
  EXPECT_EQ(vm.vcpus[0].msr_accesses, 70U + 3);
  std::uint64_t named = 0;
  for (const CodeCounter& msr : vm.msrs) named += msr.count;
  EXPECT_EQ(named, 73U);
}

TEST(Counters, OfNoKnownVcpuAreThoseOfAnOnlyOne) {
  VmCounts counts;
  counts.vcpus.resize(1);
  VmCounters vm;
  for (const std::uint32_t listed : {0U, 1U, 2U}) {
    counts.listed = listed;
    read_counters(counts, false, vm);
    EXPECT_EQ(vm.vcpus[0].id.has_value(), listed == 1) << listed;
  }
}

TEST(Counters, OfAVmReplaceThoseOfTheLast) {
  VcpuCounts vcpu;
  vcpu.id = 0;
  vcpu.msrs = {{0x80b, {0, 70}}};
  VmCounters vm = read(vcpu);
  VmCounts next;
  next.key = {9, 9, 9};
  read_counters(next, true, vm);
  EXPECT_TRUE(vm.ended);
  EXPECT_EQ(vm.key, (VmKey{9, 9, 9}));
  EXPECT_TRUE(vm.vcpus.empty());
  EXPECT_TRUE(vm.msrs.empty());
}

TEST(Counters, KeepTimersApartAndHaveTheIntervalsOfTheVm) {
  VmCounts counts;
  VcpuCounts vcpu;
  vcpu.msrs = {{std::nullopt, {1, 2}}, {0x48, {0, 4}}, {0x6e0, {1, 900}}, {0x838, {2, 0}}};
  counts.vcpus = {vcpu};
  counts.total = total(counts.vcpus);
  counts.intervals.buckets[4] = 17;
  VmCounters read;
  read_counters(counts, false, read);
  read_counters(counts, false, read);  // into what was used before
  std::map<std::uint32_t, std::uint64_t> timers;
  for (const CodeCounter& msr : read.timer_msrs)
    if (msr.count > 0) timers[msr.code] = msr.count;
  EXPECT_EQ(timers, (std::map<std::uint32_t, std::uint64_t>{{0x6e0, 901}, {0x838, 2}}));
  ASSERT_EQ(read.intervals.size(), std::size_t{KVMX_INTERVAL_BUCKETS});
  EXPECT_EQ(read.intervals[4].code, 4U);
  EXPECT_EQ(read.intervals[4].count, 17U);
}

}  // namespace
}  // namespace kvmx
