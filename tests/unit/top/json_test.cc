// SPDX-License-Identifier: Apache-2.0
#include "exporter/summary/json.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/unit/top/samples.h"

namespace kvmx {
namespace {

TEST(SummaryJson, ComesBackAsItWas) {
  HostSummary host = sample_summary();
  host.exit_counting = ExitCounting::not_raised;
  host.guests[2] = {.label = "new \"one\" \\ ü", .pid = 7, .vcpus = 1};
  const std::string json = to_json(host);
  const Result<HostSummary> parsed = parse_summary(json);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(to_json(*parsed), json);
  EXPECT_EQ(parsed->exit_counting, ExitCounting::not_raised);
  EXPECT_EQ(parsed->guests[2].label, "new \"one\" \\ ü");
  EXPECT_FALSE(parsed->guests[2].wakeups);
  EXPECT_FALSE(parsed->guests[2].msr);
  EXPECT_EQ(parsed->guests[0].findings[0].text.likely, "Most likely nohz=off.");
  EXPECT_DOUBLE_EQ(parsed->clock->limit_hertz, 3.9e9);
}

TEST(SummaryJson, HasTheFieldsThatAreDocumented) {
  HostSummary host = sample_summary();
  host.guests.resize(1);
  host.clock.reset();
  const std::string json = to_json(host);
  for (const char* part :
       {R"("host":{"cpus":64,"clock_hertz":null,"exit_counting":"counted"})",
        R"("vm":"storm","pid":4242,"vcpus":32,"vcpus_running":31,)",
        R"("wakeups_per_second":33030.0,"exits_per_second":66300.0,"halted_ratio":0.94,)",
        R"("events_per_second":99330.0,"top_reason":{"name":"MSR_WRITE","share":0.5},)",
        R"("findings":[{"finding":"timer_storm","held_seconds":300.0,"seen":"It is)"})
    EXPECT_NE(json.find(part), std::string::npos) << part << " in " << json;
}

TEST(SummaryJson, OfOthersIsNotTrusted) {
  HostSummary host = sample_summary();
  std::string json = to_json(host);
  json.replace(json.find("storm\""), 5, "a\\u001b[2Jb");
  const Result<HostSummary> parsed = parse_summary(json);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->guests[0].label, "a\xEF\xBF\xBD[2Jb");
  for (const char* wrong :
       {"", "{", "[]", "1", "null", "{}", "<html>", R"({"host":{},"guests":[]})",
        R"({"host":{"cpus":"x","exit_counting":"counted"},"guests":[]})",
        R"({"host":{"cpus":1,"exit_counting":"counted"},"guests":[{"vm":1}]})",
        R"({"host":{"cpus":1,"exit_counting":"counted"},"guests":{"a":1}})"}) {
    const Result<HostSummary> refused = parse_summary(wrong);
    ASSERT_FALSE(refused) << wrong;
    EXPECT_TRUE(refused.error().message.starts_with("this is no summary of an exporter")) << wrong;
  }
  EXPECT_FALSE(parse_summary(std::string(100'000, '[')));
}

TEST(SummaryJson, OfALaterVersionIsTaken) {
  const Result<HostSummary> parsed = parse_summary(
      R"({"version":"9","more":1,"host":{"cpus":1,"exit_counting":"guessed","new":{}},)"
      R"("guests":[{"vm":"a","pid":1,"vcpus":1,"events_per_second":5,"cpu_seconds":3,)"
      R"("findings":[{"finding":"new_storm","held_seconds":1,"seen":"","cost":"","likely":"",)"
      R"("first":"","more":[]}]}]})");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->guests[0].findings[0].kind, "new_storm");
}

}  // namespace
}  // namespace kvmx
