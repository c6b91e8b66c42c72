// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/reason_ids.h"

#include <gtest/gtest.h>

#include <set>

#include "exporter/names/exit_reasons.h"

namespace kvmx {
namespace {

/// As the BPF programs look a code up: its id, and whether the guest is idle.
struct Found {
  std::uint32_t id;
  bool idle;
};

Found look_up(Isa isa, std::uint32_t code) {
  const std::size_t place = code < KVMX_LOW_CODES ? code : KVMX_LOW_CODES + (code - KVMX_HIGH_BASE);
  const std::uint32_t entry = dense_entries(isa, MsrCounting::event)[place];
  return {entry & KVMX_EXIT_ID, (entry & KVMX_EXIT_IDLE) != 0};
}

TEST(ReasonIds, MapsEverySvmCodeOfTheTablesRangeBothWays) {
  std::set<std::uint32_t> seen;
  for (const ExitReason& reason : exit_reasons(Isa::svm)) {
    const bool placed =
        reason.code < KVMX_LOW_CODES ||
        (reason.code >= KVMX_HIGH_BASE && reason.code < KVMX_HIGH_BASE + KVMX_HIGH_CODES);
    if (!placed) continue;
    const std::uint32_t id = look_up(Isa::svm, reason.code).id;
    ASSERT_LT(id, static_cast<std::uint32_t>(KVMX_DENSE_REASONS)) << reason.name;
    EXPECT_TRUE(seen.insert(id).second) << reason.name;
    EXPECT_EQ(dense_exit_code(Isa::svm, id), reason.code);
  }
  EXPECT_GT(seen.size(), 90U);
}

TEST(ReasonIds, LeavesUnnamedCodesOut) {
  EXPECT_EQ(look_up(Isa::svm, 0x0fe).id, static_cast<std::uint32_t>(KVMX_NOT_DENSE));
  EXPECT_EQ(look_up(Isa::vmx, 0x0fe).id, static_cast<std::uint32_t>(KVMX_NOT_DENSE));
  EXPECT_EQ(look_up(Isa::vmx, KVMX_HIGH_BASE).id, static_cast<std::uint32_t>(KVMX_NOT_DENSE));
  EXPECT_EQ(look_up(Isa::other, 0).id, static_cast<std::uint32_t>(KVMX_NOT_DENSE));
  EXPECT_EQ(dense_exit_code(Isa::svm, KVMX_DENSE_REASONS - 1), std::nullopt);
}

TEST(ReasonIds, HaltsAndPausesAreIdle) {
  EXPECT_TRUE(look_up(Isa::svm, 0x078).idle);
  EXPECT_TRUE(look_up(Isa::svm, 0x077).idle);
  EXPECT_FALSE(look_up(Isa::svm, 0x07c).idle);
  EXPECT_TRUE(look_up(Isa::vmx, 12).idle);
  EXPECT_EQ(idle_exits(Isa::vmx)[12], Idle::halt);
  EXPECT_EQ(idle_exits(Isa::vmx)[40], Idle::pause);
  EXPECT_EQ(idle_exits(Isa::vmx)[32], Idle::none);
  EXPECT_EQ(idle_exits(Isa::svm)[look_up(Isa::svm, 0x0a6).id], Idle::halt);
  EXPECT_EQ(idle_exits(Isa::other)[12], Idle::none);
}

TEST(ReasonIds, MarksMsrAccessesThatEntriesCount) {
  const DenseEntries vmx = dense_entries(Isa::vmx, MsrCounting::entry);
  EXPECT_EQ(vmx[31], 31U | KVMX_EXIT_MSR);
  EXPECT_EQ(vmx[32], 32U | KVMX_EXIT_MSR | KVMX_EXIT_MSR_WRITE);
  EXPECT_EQ(vmx[33], 33U);
  EXPECT_EQ(vmx[84], 84U | KVMX_EXIT_MSR | KVMX_EXIT_MSR_LATE);  // with an immediate
  EXPECT_EQ(vmx[85], 85U | KVMX_EXIT_MSR_FLAGS);
  const DenseEntries svm = dense_entries(Isa::svm, MsrCounting::entry);
  const DenseEntries unmarked = dense_entries(Isa::svm, MsrCounting::event);
  EXPECT_EQ(svm[0x7c], unmarked[0x7c] | KVMX_EXIT_MSR);  // the VMCB says whether it is a write
  EXPECT_EQ(svm[0x78], unmarked[0x78]);
  for (const std::uint16_t entry : unmarked) EXPECT_EQ(entry & KVMX_EXIT_MSR_FLAGS, 0U);
}

TEST(ReasonIds, KeepsEveryVmxReasonAsItsId) {
  for (const ExitReason& reason : exit_reasons(Isa::vmx)) {
    ASSERT_LT(reason.code, static_cast<std::uint32_t>(KVMX_VMX_REASONS));
    EXPECT_EQ(dense_exit_code(Isa::vmx, reason.code), reason.code);
    EXPECT_EQ(look_up(Isa::vmx, reason.code).id, reason.code);
  }
  EXPECT_EQ(dense_exit_code(Isa::vmx, KVMX_VMX_REASONS), std::nullopt);
}

TEST(ReasonIds, HasNoCodesForAnotherIsa) {
  EXPECT_EQ(dense_exit_code(Isa::other, 1), std::nullopt);
}

}  // namespace
}  // namespace kvmx
