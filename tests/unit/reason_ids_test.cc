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
  const std::uint32_t entry = dense_entries(
      isa, false)[code < KVMX_LOW_CODES ? code : KVMX_LOW_CODES + (code - KVMX_HIGH_BASE)];
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

TEST(ReasonIds, MarksMsrAccessesOnRequest) {
  EXPECT_EQ(dense_entries(Isa::vmx, true)[31], 31U | KVMX_EXIT_MSR);
  EXPECT_EQ(dense_entries(Isa::vmx, true)[32], 32U | KVMX_EXIT_MSR);
  EXPECT_EQ(dense_entries(Isa::vmx, true)[33], 33U);
  EXPECT_EQ(dense_entries(Isa::vmx, true)[84], 84U | KVMX_EXIT_MSR);  // with an immediate
  EXPECT_EQ(dense_entries(Isa::vmx, true)[85], 85U | KVMX_EXIT_MSR);
  EXPECT_EQ(dense_entries(Isa::svm, true)[0x7c],
            dense_entries(Isa::svm, false)[0x7c] | KVMX_EXIT_MSR);
  constexpr std::size_t vmgexit = KVMX_LOW_CODES + 3;  // 0x403: an encrypted guest's, perhaps
  EXPECT_EQ(dense_entries(Isa::svm, true)[vmgexit],
            dense_entries(Isa::svm, false)[vmgexit] | KVMX_EXIT_MSR);
  EXPECT_EQ(dense_entries(Isa::svm, true)[0x78], dense_entries(Isa::svm, false)[0x78]);
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
