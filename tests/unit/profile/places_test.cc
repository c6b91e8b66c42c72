// SPDX-License-Identifier: Apache-2.0
#include "exporter/profile/places.h"

#include <gtest/gtest.h>

#include "samples.h"

namespace kvmx {
namespace {

constexpr std::uint32_t kSvmHlt = 0x78;
constexpr std::uint32_t kSvmMsr = 0x7c;

TEST(Places, AreRankedByTheirExitsOnAllVcpus) {
  ProfileCounts counts;
  counts.places = {sample_place(0x1000, 0, kSvmHlt, 3), sample_place(0x1000, 1, kSvmHlt, 4),
                   sample_place(0x2000, 1, kSvmMsr, 6, KVMX_ACCESS_MSR_WRITE, 0x6e0),
                   sample_place(0x2000, 1, kSvmMsr, 1, KVMX_ACCESS_MSR_WRITE, 0x80b)};
  const auto places = rank(counts, false);
  ASSERT_EQ(places.size(), 3U);
  EXPECT_EQ(places[0].rip, 0x1000U);
  EXPECT_EQ(places[0].exits, 7U);
  EXPECT_EQ(places[0].vcpus, 2U);
  EXPECT_FALSE(places[0].vcpu);
  EXPECT_EQ(access_text(places[1]), "write IA32_TSC_DEADLINE");
  EXPECT_EQ(places[1].vcpus, 1U);
  EXPECT_EQ(access_text(places[2]), "write X2APIC_EOI");
}

TEST(Places, ByVcpuEachHasItsOwn) {
  ProfileCounts counts;
  counts.places = {sample_place(0x1000, 0, kSvmHlt, 3), sample_place(0x1000, 1, kSvmHlt, 4)};
  const auto places = rank(counts, true);
  ASSERT_EQ(places.size(), 2U);
  EXPECT_EQ(places[0].vcpu, 1U);
  EXPECT_EQ(places[0].exits, 4U);
  EXPECT_EQ(places[1].vcpus, 2U) << "it is known that both do it";
}

TEST(Places, OneThatIsCountedTwiceIsOne) {
  ProfileCounts counts;  // an exit that still waited for its MSR when counting stopped
  counts.places = {sample_place(0x1000, 0, kSvmHlt, 3), sample_place(0x1000, 0, kSvmHlt, 1)};
  ASSERT_EQ(rank(counts, true).size(), 1U);
  EXPECT_EQ(rank(counts, true)[0].exits, 4U);
}

TEST(Places, NothingIsLostFromTheSum) {
  Profile profile;
  profile.counts.places = {sample_place(0x1000, 0, kSvmHlt, 3)};
  profile.counts.others = {{kSvmHlt, 5}, {kSvmMsr, 1}};
  profile.counts.unplaced = 2;
  profile.counts.not_chosen = 100;
  EXPECT_EQ(profile.exits(), 11U);
}

TEST(Places, HalvesByTheAddressAlone) {
  EXPECT_EQ(half_of(0), Half::lower);
  EXPECT_EQ(half_of(0x00007fffffffffff), Half::lower);
  EXPECT_EQ(half_of(0x7fffffffffffffff), Half::lower) << "five levels of tables";
  EXPECT_EQ(half_of(0xffff888000000000), Half::upper);
  EXPECT_EQ(half_of(0xfffff80012345678), Half::upper) << "Windows";
  EXPECT_EQ(half_of(0xffffffff80000000), Half::image);
  EXPECT_EQ(half_of(0xffffffffbfffffff), Half::image);
  EXPECT_EQ(half_of(0xffffffffc0000000), Half::module);
  EXPECT_EQ(half_of(0xffffffffff600000), Half::upper) << "vsyscall";
}

TEST(Places, WhatWasAccessed) {
  Place place;
  EXPECT_EQ(access_text(place), "");
  place.access = KVMX_ACCESS_MSR_READ;
  place.number = 0x12345;
  EXPECT_EQ(access_text(place), "read 0x12345");
  EXPECT_EQ(msr_of(place), 0x12345U);
  EXPECT_FALSE(port_of(place));
  place.access = KVMX_ACCESS_PORT_WRITE;
  place.number = 0x80;
  EXPECT_EQ(access_text(place), "out 0x80");
  EXPECT_EQ(port_of(place), 0x80U);
  EXPECT_FALSE(msr_of(place));
  place.access = KVMX_ACCESS_ANY_MSR_WRITE;
  EXPECT_EQ(access_text(place), "write");
  EXPECT_FALSE(msr_of(place));
}

TEST(Places, ReasonsByTheirNames) {
  EXPECT_EQ(reason_code(Isa::svm, "hlt"), 0x78U);
  EXPECT_EQ(reason_code(Isa::svm, "HLT"), 0x78U);
  EXPECT_EQ(reason_code(Isa::vmx, "msr_write"), 32U);
  EXPECT_EQ(reason_code(Isa::vmx, "0x21"), 33U);
  EXPECT_FALSE(reason_code(Isa::svm, "MSR_WRITE"));
  EXPECT_FALSE(reason_code(Isa::svm, ""));
  EXPECT_FALSE(reason_code(Isa::svm, "0x"));
  EXPECT_FALSE(reason_code(Isa::svm, "0x1g"));
  EXPECT_FALSE(reason_code(Isa::other, "hlt"));
}

}  // namespace
}  // namespace kvmx
