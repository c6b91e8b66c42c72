// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/landing_page.h"

#include <gtest/gtest.h>

namespace kvmx {
namespace {

Finding finding(FindingKind kind, double held_seconds) {
  Finding made{.kind = kind, .evidence = {}, .held_seconds = held_seconds};
  made.evidence.running = made.evidence.affected = 32;
  made.evidence.each = 1036;
  made.evidence.total = 33'160;
  made.evidence.wakeups = 33'030;
  made.evidence.halted = 0.94;
  made.evidence.pid = 4242;
  return made;
}

Vm vm(const std::string& label, std::vector<Finding> findings) {
  Vm made;
  made.label = label;
  made.diagnosis.tick_hertz = 14;
  made.diagnosis.findings = std::move(findings);
  return made;
}

std::string page_of(std::vector<Vm> vms) {
  Snapshot snapshot;
  snapshot.vms = std::move(vms);
  return landing_page(snapshot, {}, "/metrics", "off");
}

TEST(LandingPageFindings, AreSentencesAboveTheTable) {
  const Finding storm = finding(FindingKind::timer_storm, 300);
  const std::string page = page_of({vm("web-1", {storm})});
  const std::size_t at = page.find("<strong>web-1</strong>");
  ASSERT_NE(at, std::string::npos);
  EXPECT_LT(at, page.find("Busiest VMs"));
  EXPECT_NE(page.find("timer storm, for 5 min"), std::string::npos);
  const FindingText text = describe(storm);
  for (const std::string& sentence : {text.seen, text.cost, text.likely, text.first})
    EXPECT_NE(page.find(sentence), std::string::npos) << sentence;
}

TEST(LandingPageFindings, AreTheWorstAndLongestFirst) {
  const std::string page = page_of({vm("ticks", {finding(FindingKind::idle_tick, 9000)}),
                                    vm("new", {finding(FindingKind::timer_storm, 20)}),
                                    vm("old", {finding(FindingKind::timer_storm, 9000)})});
  const auto at = [&page](const std::string& label) {
    return page.find("<strong>" + label + "</strong>");
  };
  EXPECT_LT(at("old"), at("new"));
  EXPECT_LT(at("new"), at("ticks"));
  EXPECT_NE(page.find("for 2 h"), std::string::npos);
  EXPECT_NE(page.find("for 20 s"), std::string::npos);
}

TEST(LandingPageFindings, LeaveOutExcludedVmsAndEscapeNames) {
  Vm hidden = vm("hidden", {finding(FindingKind::timer_storm, 20)});
  hidden.excluded = true;
  const std::string page = page_of({hidden, vm("<script>", {finding(FindingKind::idle_tick, 20)})});
  EXPECT_EQ(page.find("hidden"), std::string::npos);
  EXPECT_EQ(page.find("<script>"), std::string::npos);
  EXPECT_NE(page.find("&lt;script&gt;"), std::string::npos);
}

TEST(LandingPageFindings, SayWhetherThereAreNoneOrNothingIsKnown) {
  EXPECT_NE(page_of({vm("calm", {})}).find("Nothing stands out."), std::string::npos);
  Vm young = vm("young", {});
  young.diagnosis.tick_hertz = std::nullopt;
  EXPECT_EQ(page_of({young}).find("Nothing stands out."), std::string::npos);
  EXPECT_NE(page_of({young}).find("No guest has been seen for ten seconds yet."),
            std::string::npos);
  EXPECT_NE(page_of({}).find("No guest has been seen for ten seconds yet."), std::string::npos);
}

}  // namespace
}  // namespace kvmx
