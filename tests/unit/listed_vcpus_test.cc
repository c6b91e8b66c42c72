// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/listed_vcpus.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace kvmx {
namespace {

listed_vcpu record(std::uint64_t vcpu, std::uint32_t tgid, std::uint64_t start, const char* name) {
  listed_vcpu made{};
  made.vcpu = vcpu;
  made.kvm = 7;
  made.vm_start = start;
  made.tgid = tgid;
  std::memcpy(made.comm, "qemu-system-x86_", sizeof(made.comm));  // not terminated
  std::memcpy(made.name, name, std::min(std::strlen(name), sizeof(made.name)));
  return made;
}

TEST(ListedVcpus, ReadsTheIdAfterTheColon) {
  EXPECT_EQ(listed_vcpu_id("kvm-vcpu:0"), 0U);
  EXPECT_EQ(listed_vcpu_id("kvm-vcpu:4294967294"), 4294967294U);
  for (const char* name : {"", "kvm-vcpu", "kvm-vcpu:", "kvm-vcpu:-1", "kvm-vcpu:4294967296",
                           "kvm-vcpu:1x", "kvm-vcpu-stats:1", "anon_inode:kvm-vcpu:1"})
    EXPECT_FALSE(listed_vcpu_id(name).has_value()) << name;
}

TEST(ListedVcpus, ListsEachOnceForTheParentProcess) {
  const std::vector<listed_vcpu> records = {
      record(2, 40, 100, "kvm-vcpu:1"), record(1, 50, 900, "kvm-vcpu:0"),  // a child's
      record(1, 40, 100, "kvm-vcpu:0"), record(1, 40, 100, "kvm-vcpu:0"),
      record(3, 40, 100, "kvm-vcpuish")};
  const std::vector<ListedVcpu> vcpus = listed_vcpus(records);
  ASSERT_EQ(vcpus.size(), 2U);
  for (std::uint32_t id : {0U, 1U}) {
    EXPECT_EQ(vcpus[id].id, id);
    EXPECT_EQ(vcpus[id].tgid, 40U);
    EXPECT_EQ(vcpus[id].start_ns, 100U);
    EXPECT_EQ(vcpus[id].kvm, 7U);
    EXPECT_EQ(vcpus[id].comm, "qemu-system-x86_");
  }
}

TEST(ListedVcpus, SortsByProcessAndId) {
  const std::vector<ListedVcpu> vcpus = listed_vcpus(
      std::vector<listed_vcpu>{record(1, 50, 9, "kvm-vcpu:2"), record(2, 50, 9, "kvm-vcpu:0"),
                               record(3, 4, 3, "kvm-vcpu:8")});
  ASSERT_EQ(vcpus.size(), 3U);
  EXPECT_EQ(vcpus[0].tgid, 4U);
  EXPECT_EQ(vcpus[1].id, 0U);
  EXPECT_EQ(vcpus[2].id, 2U);
}

TEST(ListedVcpus, LeavesOutVmsThatEnded) {
  VcpuListing listing{.asked = {},
                      .vcpus = listed_vcpus(std::vector<listed_vcpu>{
                          record(1, 50, 9, "kvm-vcpu:0"), record(2, 50, 9, "kvm-vcpu:1"),
                          record(3, 60, 9, "kvm-vcpu:0"), record(4, 70, 9, "kvm-vcpu:0")})};
  listing.leave_out(std::vector<VmKey>{{50, 8, 7}, {50, 9, 7}, {70, 9, 7}});
  ASSERT_EQ(listing.vcpus.size(), 1U);
  EXPECT_EQ(listing.vcpus[0].tgid, 60U);
}

}  // namespace
}  // namespace kvmx
