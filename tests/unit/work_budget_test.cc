// SPDX-License-Identifier: Apache-2.0
#include "exporter/work_budget.h"

#include <gtest/gtest.h>

namespace kvmx {
namespace {

using namespace std::chrono_literals;

constexpr WorkBudget::Clock::time_point kStart(1000s);

TEST(WorkBudgetTest, WorkIsDoneAtOnceUntilTheBurstIsSpent) {
  WorkBudget budget(50, 100ms, 50ms);
  EXPECT_EQ(budget.wait(kStart), 0ms);
  budget.spend(100ms);
  EXPECT_EQ(budget.wait(kStart), 0ms);
  budget.spend(2ms);
  EXPECT_EQ(budget.wait(kStart), 100ms);
  EXPECT_EQ(budget.wait(kStart + 60ms), 40ms);
  EXPECT_EQ(budget.wait(kStart + 100ms), 0ms);
}

TEST(WorkBudgetTest, NoMoreThanItsShareIsSpentInTheLongRun) {
  WorkBudget budget(50, 100ms, 50ms);
  auto now = kStart;
  WorkBudget::Duration spent{};
  while (now < kStart + 1000s) {
    const auto wait = budget.wait(now);
    if (wait > 0ms) {
      now += wait;
      continue;
    }
    budget.spend(7ms);
    spent += 7ms;
  }
  EXPECT_LE(spent, 1000s / 50 + 100ms + 7ms);
  EXPECT_GE(spent, 1000s / 50 - 7ms);
}

TEST(WorkBudgetTest, NoPieceOfWorkHoldsUpTheNextForLong) {
  WorkBudget budget(50, 100ms, 20ms);
  EXPECT_EQ(budget.wait(kStart), 0ms);
  budget.spend(1h);
  EXPECT_EQ(budget.wait(kStart), 1s);
  budget.spend(1h);
  EXPECT_EQ(budget.wait(kStart), 1s);
  EXPECT_EQ(budget.wait(kStart + 1s), 0ms);
}

TEST(WorkBudgetTest, WhatIsNotSpentAddsUpToTheBurstOnly) {
  WorkBudget budget(50, 100ms, 50ms);
  EXPECT_EQ(budget.wait(kStart), 0ms);
  EXPECT_EQ(budget.wait(kStart + 1h), 0ms);
  budget.spend(101ms);
  EXPECT_EQ(budget.wait(kStart + 1h), 50ms);
}

}  // namespace
}  // namespace kvmx
