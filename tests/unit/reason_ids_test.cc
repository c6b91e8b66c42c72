// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/reason_ids.h"

#include <gtest/gtest.h>

#include <set>

#include "exporter/names/exit_reasons.h"

namespace kvmx {
namespace {

/// Where the BPF programs look a code up.
std::uint32_t svm_entry(std::uint32_t code) {
  return code < KVMX_SVM_LOW_CODES ? code : KVMX_SVM_LOW_CODES + (code - KVMX_SVM_HIGH_BASE);
}

TEST(ReasonIds, EveryNamedSvmCodeOfTheTablesRangeHasAnIdThatLeadsBack) {
  const auto ids = svm_dense_ids();
  std::set<std::uint8_t> seen;
  for (const ExitReason& reason : exit_reasons(Isa::svm)) {
    const bool placed = reason.code < KVMX_SVM_LOW_CODES ||
                        (reason.code >= KVMX_SVM_HIGH_BASE &&
                         reason.code < KVMX_SVM_HIGH_BASE + KVMX_SVM_HIGH_CODES);
    if (!placed) continue;
    const std::uint8_t id = ids[svm_entry(reason.code)];
    ASSERT_LT(id, KVMX_DENSE_REASONS) << reason.name;
    EXPECT_TRUE(seen.insert(id).second) << reason.name;
    EXPECT_EQ(dense_exit_code(Isa::svm, id), reason.code);
  }
  EXPECT_GT(seen.size(), 90U);
}

TEST(ReasonIds, UnnamedSvmCodesAreNotDense) {
  EXPECT_EQ(svm_dense_ids()[svm_entry(0x0fe)], KVMX_NOT_DENSE);
  EXPECT_EQ(dense_exit_code(Isa::svm, KVMX_DENSE_REASONS - 1), std::nullopt);
}

TEST(ReasonIds, EveryVmxReasonIsItsOwnId) {
  for (const ExitReason& reason : exit_reasons(Isa::vmx)) {
    ASSERT_LT(reason.code, static_cast<std::uint32_t>(KVMX_VMX_REASONS));
    EXPECT_EQ(dense_exit_code(Isa::vmx, reason.code), reason.code);
  }
  EXPECT_EQ(dense_exit_code(Isa::vmx, KVMX_VMX_REASONS), std::nullopt);
}

TEST(ReasonIds, AnotherIsaHasNone) { EXPECT_EQ(dense_exit_code(Isa::other, 1), std::nullopt); }

}  // namespace
}  // namespace kvmx
