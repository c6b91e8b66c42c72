// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/events.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <string>

#include "exporter/base/file.h"
#include "exporter/kernel/features.h"
#include "exporter/kernel/fixed_msrs.h"
#include "exporter/kernel/vcpu_functions.h"
#include "exporter/metrics/collectors.h"
#include "exporter/names/msr.h"

namespace kvmx {
namespace {

TEST(Events, TestsInPythonKnowTheSame) {
  std::ifstream file(KVMX_SOURCE_DIR "/tests/lib/events.txt");
  std::size_t at = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    ASSERT_LT(at, kEvents.size()) << line;
    EXPECT_EQ(line, std::string(kEvents[at].name) + " " + std::string(kEvents[at].collector));
    ++at;
  }
  EXPECT_EQ(at, kEvents.size());
}

TEST(VcpuFunctions, TestsInPythonKnowThem) {
  const Result<std::string> known = read_file(KVMX_SOURCE_DIR "/tests/lib/events.py");
  ASSERT_TRUE(known);
  for (const VcpuFunction& function : kVcpuFunctions)
    EXPECT_NE(known->find('"' + std::string(function.name) + '"'), std::string::npos)
        << function.name;
}

TEST(VcpuFunctions, DestructionIsToldFirst) {
  EXPECT_EQ(kVcpuFunctions.front().name, kVcpuDestroyed);
}

TEST(Events, EachHasACollectorThatExports) {
  for (const EventInfo& event : kEvents)
    EXPECT_TRUE(collector_named(event.collector)) << event.name;
}

TEST(Events, EachHasOneTracepointProgramAndItComesLast) {
  for (const EventInfo& event : kEvents) {
    std::size_t count = 0;
    for (const EventProgram& program : event.programs) count += program.arguments.empty() ? 1 : 0;
    EXPECT_EQ(count, 1U) << event.name;
    EXPECT_TRUE(event.programs.back().arguments.empty()) << event.name;
    EXPECT_FALSE(event.fields.empty()) << event.name;
  }
}

TEST(Events, NoProgramIsHiddenByOneBeforeIt) {
  for (const EventInfo& event : kEvents) {
    std::set<std::string> seen;
    for (const EventProgram& program : event.programs)
      // One without conditions fits wherever a later one of the same arguments does.
      if (!program.isa && !program.timed)
        EXPECT_TRUE(seen.insert(std::string(program.arguments)).second) << program.name;
      else
        EXPECT_FALSE(seen.contains(std::string(program.arguments))) << program.name;
  }
}

TEST(EventArguments, MatchAsAWholeOrByTheirBeginning) {
  EXPECT_TRUE(arguments_match("pn", "pn"));
  EXPECT_FALSE(arguments_match("pn", "npn"));
  EXPECT_FALSE(arguments_match("pn", "pnn"));
  EXPECT_TRUE(arguments_match("p*", "p"));
  EXPECT_TRUE(arguments_match("p*", "pn"));
  EXPECT_FALSE(arguments_match("p*", ""));
  EXPECT_FALSE(arguments_match("p*", "n"));
}

TEST(FixedMsrs, BearTheNamesThatAreExported) {
#define KVMX_EXPECT_NAME(index, name) EXPECT_EQ(msr_name(index), #name);
  KVMX_FIXED_MSR_LIST(KVMX_EXPECT_NAME)
#undef KVMX_EXPECT_NAME
}

TEST(FixedMsrs, TimersComeFirst) {
  EXPECT_EQ(kTimerMsrs.front(), 0x6e0U);
  EXPECT_EQ(kTimerMsrs.back(), 0x400000b7U);
  EXPECT_EQ(kFixedMsrs[kTimerMsrs.size()], 0x80bU);
}

}  // namespace
}  // namespace kvmx
