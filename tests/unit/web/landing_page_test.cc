// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/pages/landing_page.h"

#include <gtest/gtest.h>

#include "exporter/web/pages/html.h"
#include "tests/unit/web/sample_guests.h"

namespace kvmx {
namespace {

constexpr std::string_view kTable = "Guests by cost";

Finding finding(FindingKind kind, double held_seconds) {
  return sample_finding(kind, held_seconds);
}

std::string page_of(const Snapshot& snapshot) {
  const Response page = landing_page(snapshot, "/metrics", "off");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
  return page.body;
}

std::string page_of(std::vector<Vm> vms) { return page_of(sample_host(std::move(vms))); }

bool has(const std::string& page, std::string_view part) { return page.find(part) != page.npos; }

TEST(LandingPageFindings, AreSentencesAboveTheTable) {
  const Finding storm = finding(FindingKind::timer_storm, 300);
  const std::string page = page_of({sample_vm("web-1", {storm})});
  const std::size_t at =
      page.find("<strong><a href=\"./vm?name=web-1\"><bdi>web-1</bdi></a></strong>");
  ASSERT_NE(at, std::string::npos);
  EXPECT_LT(at, page.find(kTable));
  EXPECT_TRUE(has(page, "timer storm</strong> <span class=\"soft\">for 5 min"));
  const FindingText text = describe(storm);
  for (const std::string& sentence : {text.seen, text.cost, text.likely, text.first})
    EXPECT_TRUE(has(page, html::escape(sentence))) << sentence;
}

TEST(LandingPageFindings, AreTheWorstAndLongestFirst) {
  const std::string page = page_of({sample_vm("ticks", {finding(FindingKind::idle_tick, 9000)}),
                                    sample_vm("new", {finding(FindingKind::timer_storm, 20)}),
                                    sample_vm("old", {finding(FindingKind::timer_storm, 9000)})});
  const auto at = [&page](const std::string& label) {
    return page.find("<strong><a href=\"./vm?name=" + label + "\">");
  };
  EXPECT_LT(at("old"), at("new"));
  EXPECT_LT(at("new"), at("ticks"));
  EXPECT_TRUE(has(page, "for 2 h"));
  EXPECT_TRUE(has(page, "for 20 s"));
}

TEST(LandingPageFindings, AreNotSoManyThatTheyHideTheRest) {
  std::vector<Vm> vms;
  for (int i = 0; i < 200; ++i)
    vms.push_back(sample_vm("vm-" + std::to_string(i), {finding(FindingKind::idle_tick, 20)}));
  const std::string page = page_of(std::move(vms));
  EXPECT_TRUE(has(page, "180 more findings, of <a href=\"./vm?name=vm-"));
  std::size_t blocks = 0;
  for (std::size_t at = 0; (at = page.find("<div class=\"finding", at)) != page.npos; ++at)
    ++blocks;
  EXPECT_EQ(blocks, 20U);
}

TEST(LandingPageFindings, LeaveOutExcludedVmsAndEscapeNames) {
  Vm hidden = sample_vm("hidden", {finding(FindingKind::timer_storm, 20)});
  hidden.excluded = true;
  const std::string page =
      page_of({hidden, sample_vm("<script>'\"&", {finding(FindingKind::idle_tick, 20)})});
  EXPECT_FALSE(has(page, "hidden"));
  EXPECT_FALSE(has(page, "<script>"));
  EXPECT_TRUE(has(page, "<bdi>&lt;script&gt;&#39;&quot;&amp;</bdi>"));
  EXPECT_TRUE(has(page, "href=\"./vm?name=%3Cscript%3E%27%22%26\""));
  EXPECT_TRUE(has(page, " 1 guest makes "));
}

TEST(LandingPageFindings, SayWhetherThereAreNoneOrNothingIsKnown) {
  EXPECT_TRUE(has(page_of({sample_vm("calm", {})}), "Nothing stands out."));
  Vm young = sample_vm("young", {});
  young.diagnosis.breakdown = nullptr;
  EXPECT_FALSE(has(page_of({young}), "Nothing stands out."));
  EXPECT_TRUE(has(page_of({young}), "No guest has been seen for ten seconds yet."));
  EXPECT_TRUE(has(page_of(std::vector<Vm>()), "No guest has been seen for ten seconds yet."));
  EXPECT_TRUE(has(page_of(std::vector<Vm>()), "There is no guest."));
}

TEST(LandingPage, ShowsGuestsByTheirCost) {
  Vm ended = sample_vm("ended", {}, 5000);
  ended.state = VmState::ended;
  const std::string page =
      page_of({sample_vm("calm", {}), sample_vm("storm", {}, 1036), std::move(ended)});
  EXPECT_LT(page.find("name=storm"), page.find("name=calm"));
  EXPECT_FALSE(has(page, "name=ended"));
  const std::string row =
      R"(<bdi>storm</bdi></a></td><td class="number">16 of 32</td><td class="number">1,036</td>)"
      R"(<td class="number">16,576</td><td class="number">33,152</td><td>MSR_WRITE 50 %</td>)"
      R"(<td>IA32_TSC_DEADLINE 99 %</td><td class="number">94 %</td><td></td></tr>)";
  EXPECT_TRUE(has(page, row)) << page;
  EXPECT_TRUE(has(page, "2 guests make 33,600 exits and 16,800 wake-ups a second."));
}

TEST(LandingPage, SaysWhereExitsAreNotRaised) {
  Vm vm = sample_vm("web-1", {});
  vm.counts.total = {};
  vm.counts.total.halts[0].halts = 5;
  Snapshot host = sample_host({vm});
  const std::string page = page_of(host);
  EXPECT_TRUE(has(page, "Exits are not raised by this KVM"));
  EXPECT_TRUE(has(page, "<td>kvm_exit</td><td><span class=\"soft\">not raised by this KVM</span>"));
  EXPECT_TRUE(has(page, "1 guest makes 224 wake-ups a second."));
  EXPECT_FALSE(has(page, " 0 exits"));
  host.probes[0].attached = false;
  EXPECT_TRUE(has(page_of(host), "kvm_exit is not attached"));
  host.vms[0].counts.total = {};  // nothing has run yet
  host.probes[0].attached = true;
  EXPECT_FALSE(has(page_of(host), "not raised"));
}

TEST(LandingPage, CountsVcpusThatAreNotKnownByTheirIds) {
  Vm vm = sample_vm("web-1", {});
  VmBreakdown breakdown = *vm.diagnosis.breakdown;
  breakdown.vcpus.clear();
  vm.diagnosis.breakdown = std::make_shared<VmBreakdown>(breakdown);
  EXPECT_TRUE(has(page_of({vm}), "<td class=\"number\">- of 32</td>"));
}

TEST(LandingPage, TellsTheHostsClockIfTheKernelDoes) {
  Snapshot host = sample_host({});
  EXPECT_TRUE(has(page_of(host), "64 CPUs, whose clock the kernel does not tell."));
  host.cpu_clock = CpuClock{.max_hertz = 3.8e9, .mean_hertz = 3.4e9, .limit_hertz = 3.9e9};
  EXPECT_TRUE(
      has(page_of(host),
          "64 CPUs at 3.40 GHz on average, the fastest at 3.80 GHz (3.90 GHz is their most)."));
}

TEST(LandingPage, ShowsEventsAndEscapesWhatComesFromFlags) {
  Snapshot host = sample_host({});
  host.probes[1].attached = false;
  const std::string page = landing_page(host, "/metrics?a=\"b\"", "no <b>").body;
  EXPECT_TRUE(has(page, "<td>kvm_msr</td><td><span class=\"bad\">not counted</span>"));
  EXPECT_TRUE(has(page, "<span class=\"good\">counted</span></td><td class=\"number\">3</td>"));
  EXPECT_TRUE(has(page, "href=\"./metrics?a=&quot;b&quot;\""));
  EXPECT_FALSE(has(page, "<b>"));
}

TEST(LandingPage, AFunctionThatKvmDoesNotTellIsNothingMissing) {
  Snapshot host = sample_host({});
  host.probes.push_back({"kvm_arch_vcpu_destroy", false, std::nullopt});
  EXPECT_TRUE(
      has(page_of(host), "<td>kvm_arch_vcpu_destroy</td><td><span class=\"soft\">not told"));
  for (ProbeState& probe : host.probes) probe.attached = false;
  EXPECT_TRUE(
      has(page_of(host), "<td>kvm_arch_vcpu_destroy</td><td><span class=\"bad\">not counted"));
}

}  // namespace
}  // namespace kvmx
