// SPDX-License-Identifier: Apache-2.0
#include "exporter/lifecycle/lifecycle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <vector>

namespace kvmx {
namespace {

using namespace std::chrono_literals;

using enum VmState;
using enum VmEvent;

// ---- the state machine -------------------------------------------------------------------------

constexpr std::array kStates = {seen, live, ended, lingering, released};
constexpr std::array kEvents = {counted,     at_rest,       listed,       destroyed,
                                unlisted,    process_lives, process_gone, read_failed,
                                linger_over, slots_wanted};

/// One line an event: where it takes a VM in each of kStates.
struct TransitionCase {
  VmEvent event;
  std::array<VmTransition, kStates.size()> from;
};

constexpr VmTransition kEnds = {ended, VmAction::note_end};
constexpr VmTransition kRevives = {live, VmAction::take_back_end};
constexpr VmTransition kReleases = {released, VmAction::release_slots};

constexpr std::array<TransitionCase, kEvents.size()> kTransitions = {{
    // from:          seen     live     ended        lingering    released
    {counted, {{{live}, {live}, kRevives, kRevives, {released}}}},
    {at_rest, {{{seen}, {live}, {lingering}, {lingering}, {released}}}},
    {listed, {{{live}, {live}, kRevives, kRevives, {released}}}},
    {destroyed, {{kEnds, kEnds, {ended}, {lingering}, {released}}}},
    {unlisted, {{kEnds, kEnds, {ended}, {lingering}, {released}}}},
    {process_lives, {{{live}, {live}, {ended}, {lingering}, {released}}}},
    {process_gone, {{kEnds, kEnds, {ended}, {lingering}, {released}}}},
    {read_failed, {{{seen}, {live}, {ended}, {lingering}, {released}}}},
    {linger_over, {{{seen}, {live}, {ended}, kReleases, {released}}}},
    {slots_wanted, {{{seen}, {live}, {ended}, kReleases, {released}}}},
}};

TEST(VmTransitions, AreThoseOfTheTable) {
  for (std::size_t e = 0; e < kEvents.size(); ++e) {
    ASSERT_EQ(kTransitions[e].event, kEvents[e]) << "each event has its line, in order";
    for (std::size_t s = 0; s < kStates.size(); ++s) {
      const VmTransition got = transition(kStates[s], kEvents[e]);
      EXPECT_EQ(got, kTransitions[e].from[s])
          << "state " << s << ", event " << e << ": state " << static_cast<int>(got.state)
          << ", action " << static_cast<int>(got.action);
    }
  }
}

TEST(VmTransitions, HaveNoEventAfterSlotsWanted) {
  EXPECT_EQ(static_cast<std::size_t>(slots_wanted) + 1, kEvents.size());
  EXPECT_EQ(static_cast<std::size_t>(released) + 1, kStates.size());
}

// ---- evidence ----------------------------------------------------------------------------------

constexpr VmKey kVm = {10, 500, 1};
constexpr VmKey kOther = {11, 600, 1};

class LifecycleTest : public testing::Test {
 protected:
  LifecycleTest() { counters(); }

  /// Reads the counters of all VMs, a moment later.
  void counters() {
    now_ += 10ms;
    std::vector<VmActivity> vms;
    for (const auto& [key, events] : events_) vms.push_back({key, events, told_[key]});
    life_.note_counters(vms, now_);
  }

  /// A round of housekeeping, a second later: `listed` has vCPUs.
  void round(std::vector<VmKey> listed) {
    now_ += 1s;
    life_.note_listing(listed, now_);
    counters();
  }

  void process(ProcessState state, const VmKey& vm = kVm) {
    now_ += 10ms;
    life_.note_process(vm, state, now_);
  }

  std::vector<VmKey> release(Lifecycle::Time::duration linger, std::size_t wanted = 0) {
    return life_.release(now_, linger, wanted, [](const VmKey&) { return 2; });
  }

  VmState state(const VmKey& vm = kVm) const { return life_.state(vm); }

  std::map<VmKey, std::uint64_t> events_ = {{kVm, 100}};
  std::map<VmKey, VcpuEvidence> told_;
  Lifecycle::Time now_{1000s};
  Lifecycle life_;
};

TEST_F(LifecycleTest, AVmIsSeenUntilSomethingSaysThatItLives) {
  EXPECT_EQ(state(), seen);
  process(ProcessState::lives);
  EXPECT_EQ(state(), live);
}

TEST_F(LifecycleTest, CountersThatMoveSayThatItLives) {
  counters();
  EXPECT_EQ(state(), seen);
  events_[kVm] = 101;
  counters();
  EXPECT_EQ(state(), live);
}

TEST_F(LifecycleTest, EndsWhenKvmHasDestroyedItsVcpusThoughItsProcessLives) {
  told_[kVm] = VcpuEvidence::exist;
  round({kVm});
  EXPECT_EQ(state(), live);
  told_[kVm] = VcpuEvidence::destroyed;
  events_[kVm] = 120;  // its last events were before that
  counters();
  EXPECT_EQ(state(), ended);
  process(ProcessState::lives);
  counters();
  counters();
  EXPECT_EQ(state(), lingering);
}

TEST_F(LifecycleTest, NothingButKvmEndsAVmWhoseVcpusItSaysExist) {
  told_[kVm] = VcpuEvidence::exist;
  counters();
  for (int i = 0; i < 5; ++i) {
    round({});
    process(ProcessState::gone);
    EXPECT_EQ(state(), live);
    EXPECT_FALSE(life_.yields_label(kVm));
  }
  told_[kVm] = VcpuEvidence::nothing;  // the kernel skipped what would have told
  counters();
  process(ProcessState::gone);
  EXPECT_EQ(state(), ended);
}

TEST_F(LifecycleTest, AVmThatWasDestroyedBeforeItWasSeenHasEnded) {
  events_[kOther] = 5;
  told_[kOther] = VcpuEvidence::destroyed;
  counters();
  EXPECT_EQ(state(kOther), ended);
  counters();
  counters();
  EXPECT_EQ(state(kOther), lingering);
}

TEST_F(LifecycleTest, AVmThatIsMadeWhereADestroyedOneWasLives) {
  told_[kVm] = VcpuEvidence::destroyed;
  counters();
  EXPECT_EQ(state(), ended);
  round({kVm});  // it has not run yet
  round({kVm});
  EXPECT_EQ(state(), live);
  told_[kVm] = VcpuEvidence::exist;
  counters();
  EXPECT_EQ(state(), live);
  told_[kVm] = VcpuEvidence::destroyed;
  counters();
  EXPECT_EQ(state(), ended);
}

TEST_F(LifecycleTest, EndsWithItsProcessAndLingersOnceItsCountersStandStill) {
  process(ProcessState::gone);
  EXPECT_EQ(state(), ended);
  events_[kVm] = 150;  // what it counted before its end was noticed
  counters();
  EXPECT_EQ(state(), ended);
  counters();
  EXPECT_EQ(state(), lingering);
}

TEST_F(LifecycleTest, AFailedReadOfItsProcessIsNoNews) {
  process(ProcessState::lives);
  process(ProcessState::unknown);
  EXPECT_EQ(state(), live);
}

TEST_F(LifecycleTest, EndsWhenNobodyHasItsVcpusAndItsCountersStandStill) {
  process(ProcessState::lives);
  round({kVm});
  round({});
  EXPECT_EQ(state(), live);
  round({});
  EXPECT_EQ(state(), ended);
  round({});
  EXPECT_EQ(state(), lingering);
}

TEST_F(LifecycleTest, TwoListingsInARowMustBeApart) {
  for (int i = 0; i < 20; ++i) {
    life_.note_listing({}, now_);
    counters();
  }
  EXPECT_EQ(state(), seen);
}

TEST_F(LifecycleTest, WhatCountsIsAliveThoughNobodyHasItsVcpus) {
  process(ProcessState::lives);
  for (int i = 0; i < 20; ++i) {
    events_[kVm] += 5;
    round({});
    ASSERT_EQ(state(), live) << i;
  }
  EXPECT_FALSE(life_.yields_label(kVm));
}

TEST_F(LifecycleTest, WhatCountsIsAliveThoughItsProcessSeemsGone) {
  process(ProcessState::gone);
  counters();
  for (int i = 0; i < 20; ++i) {
    events_[kVm] += 5;
    counters();
    ASSERT_EQ(state(), live) << i;
    now_ += 1s;
    process(ProcessState::gone);
    ASSERT_EQ(state(), live) << i;
  }
  // Then it does end: of a VM that was misjudged before, two looks must say so.
  for (int i = 0; i < 3; ++i) {
    now_ += 1s;
    process(ProcessState::gone);
    counters();
  }
  EXPECT_TRUE(is_over(state()));
}

TEST_F(LifecycleTest, WhatCountsAgainWhileItLingersIsAlive) {
  process(ProcessState::gone);
  counters();
  counters();
  ASSERT_EQ(state(), lingering);
  events_[kVm] += 1;
  counters();
  EXPECT_EQ(state(), live);
  EXPECT_TRUE(release(0s).empty());
}

TEST_F(LifecycleTest, AListedVmLivesThoughItsProcessSeemsGone) {
  process(ProcessState::gone);
  round({kVm});
  EXPECT_EQ(state(), live);
}

TEST_F(LifecycleTest, AListingFromBeforeItsEndDoesNotBringItBack) {
  const Lifecycle::Time before = now_;
  process(ProcessState::gone);
  life_.note_listing(std::vector{kVm}, before);
  EXPECT_EQ(state(), ended);
}

TEST_F(LifecycleTest, AListingFromBeforeAVmWasSeenIsNotAboutIt) {
  const Lifecycle::Time before = now_;
  events_[kOther] = 1;
  counters();
  life_.note_listing(std::vector{kVm}, before);
  EXPECT_FALSE(life_.yields_label(kOther));
  life_.note_listing(std::vector{kVm}, now_ + 1ms);
  EXPECT_TRUE(life_.yields_label(kOther));
}

TEST_F(LifecycleTest, AnUnlistedVmYieldsItsLabelUntilItCounts) {
  round({kVm});
  EXPECT_FALSE(life_.yields_label(kVm));
  round({});
  EXPECT_TRUE(life_.yields_label(kVm));
  events_[kVm] += 1;
  counters();
  EXPECT_FALSE(life_.yields_label(kVm));
}

TEST_F(LifecycleTest, AThreadWithoutAVmIsAsTheFirstVmOfItsProcess) {
  const VmKey thread = {kVm.tgid, kVm.start_ns, 0};
  process(ProcessState::lives);
  EXPECT_EQ(state(thread), live);
  process(ProcessState::gone);
  EXPECT_EQ(state(thread), ended);
  EXPECT_EQ(state({12, 1, 0}), seen);
}

TEST_F(LifecycleTest, IsReleasedAfterItLingered) {
  process(ProcessState::gone);
  EXPECT_TRUE(release(0s).empty()) << "it has not been seen to stand still";
  counters();
  counters();
  EXPECT_TRUE(release(5min).empty());
  now_ += 6min;
  EXPECT_EQ(release(5min), std::vector{kVm});
  EXPECT_TRUE(release(5min).empty()) << "once only";
  EXPECT_EQ(state(), released);
}

TEST_F(LifecycleTest, GivesItsSlotsBeforeItsTimeInTheOrderOfEnds) {
  const VmKey third = {12, 700, 1};
  events_[kOther] = events_[third] = 1;
  counters();
  for (const VmKey& vm : {kOther, third, kVm}) process(ProcessState::gone, vm);
  counters();
  counters();
  EXPECT_EQ(release(5min, 3), (std::vector{kOther, third}));
  EXPECT_EQ(state(), lingering);
}

TEST_F(LifecycleTest, SlotsUnderAReleasedKeyAreAnotherVms) {
  process(ProcessState::gone);
  counters();
  counters();
  release(0s);
  events_[kVm] = 1;
  counters();
  EXPECT_EQ(state(), seen);
}

TEST_F(LifecycleTest, WhatHasNoCountsIsForgotten) {
  process(ProcessState::gone);
  events_.clear();
  counters();
  EXPECT_EQ(state(), seen);
}

}  // namespace
}  // namespace kvmx
