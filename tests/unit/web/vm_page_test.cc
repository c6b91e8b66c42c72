// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/pages/vm_page.h"

#include <gtest/gtest.h>

#include "exporter/web/query.h"
#include "tests/unit/web/sample_guests.h"

namespace kvmx {
namespace {

Response answer(const Snapshot& snapshot, const std::string& query) {
  Request request;
  request.method = "GET";
  request.path = "/vm";
  request.query = query;
  return vm_page(snapshot, request);
}

std::string page_of(const Vm& vm) {
  const Response page = answer(sample_host({vm}), "name=" + percent_encode(vm.label));
  EXPECT_EQ(page.status, 200);
  return page.body;
}

bool has(const std::string& page, std::string_view part) { return page.find(part) != page.npos; }

TEST(VmPage, ShowsWhatStandsOutAndWhyItExits) {
  Vm vm = sample_vm("web-1", {sample_finding(FindingKind::timer_storm, 300)}, 1036);
  vm.identity.uuid = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0";
  vm.counts.key.tgid = 4242;
  const std::string page = page_of(vm);
  EXPECT_TRUE(has(page, "<h1><bdi>web-1</bdi></h1>"));
  EXPECT_TRUE(has(page, "pid <bdi>4242</bdi> · uuid <bdi>4dea22b3"));
  EXPECT_TRUE(has(page, "<strong class=\"bad\">timer storm</strong>"));
  EXPECT_TRUE(has(page, describe(vm.diagnosis.findings[0]).seen));
  EXPECT_TRUE(has(page, "<code>kvm_exit_exporter profile 4242</code> shows"));
  EXPECT_TRUE(has(page,
                  R"(<td>MSR_WRITE</td><td class="number">16,576</td><td class="number">50 %</td>)"
                  R"(<td><span class="bar" style="width: 50%"></span></td>)"));
  EXPECT_TRUE(has(page, "<td>other</td>"));
  EXPECT_TRUE(has(page, R"(IA32_TSC_DEADLINE <span class="soft">0x6e0</span></td>)"));
  EXPECT_TRUE(has(page, "<td>0x12345</td>"));  // has no name
  EXPECT_TRUE(has(page, R"(<td>KVM_EXIT_IO</td><td class="number">4.2</td>)"));
}

TEST(VmPage, ShowsTheTickAsALongBar) {
  const std::string page = page_of(sample_vm("web-1", {}, 1036));
  EXPECT_TRUE(has(page,
                  R"(<td>0.9 to 1.1 ms (1000 Hz)</td><td class="number">14,918</td>)"
                  R"(<td class="number">90 %</td><td><span class="bar" style="width: 90%">)"));
  // A bucket in between that is empty is there, those around are not.
  EXPECT_TRUE(has(page, R"(<td>1.1 to 2 ms</td><td class="number">0.0</td>)"));
  EXPECT_FALSE(has(page, "250 Hz"));
  EXPECT_FALSE(has(page, "kvm_exit_exporter profile")) << "nothing stands out";
}

TEST(VmPage, ShowsPortsPagesAndInterruptLines) {
  const std::string page = page_of(sample_vm("web-1", {}));
  EXPECT_TRUE(has(page, R"(<td>port 0x608 <span class="soft">the ACPI PM timer</span></td>)"
                        R"(<td class="number">9,000</td><td class="number">0.0</td>)"
                        R"(<td class="number">90 %</td>)"));
  EXPECT_TRUE(has(page, R"(<td>page 0xfe003000</td><td class="number">0.0</td>)"
                        R"(<td class="number">800</td><td class="number">8 %</td>)"));
  EXPECT_TRUE(has(page, R"(<td>other ports</td><td class="number">150</td>)"));
  EXPECT_TRUE(has(page, R"(<td>0</td><td class="number">2,004</td><td class="number">99 %</td>)"));
  EXPECT_TRUE(has(page, R"(<td>other</td><td class="number">12</td>)"));
}

TEST(VmPage, ShowsWhatItsThreadsCost) {
  const std::string page = page_of(sample_vm("web-1", {}));
  EXPECT_TRUE(has(page, R"(work for them</td><td class="number">2.10</td>)"));
  EXPECT_TRUE(has(page, R"((run delay)</td><td class="number">0.38</td>)"));
  EXPECT_TRUE(has(page, R"(migration</td><td class="number">0.25</td>)"));
  EXPECT_TRUE(has(page, R"((kvm-pit)</td><td class="number">less than 0.01</td>)"));
  EXPECT_FALSE(has(page, "vhost")) << "it has none";
}

TEST(VmPage, SaysWhereCpuTimesAreNotKnown) {
  Vm vm = sample_vm("web-1", {});
  vm.diagnosis.breakdown = std::make_shared<VmBreakdown>();
  EXPECT_TRUE(has(page_of(vm), "<h2>CPU time</h2>\n<p class=\"soft\">Not known.</p>"));
}

TEST(VmPage, ShowsEachVcpu) {
  const std::string page = page_of(sample_vm("web-1", {}, 1036));
  EXPECT_TRUE(has(page, R"(<td>30</td><td>running</td><td class="number">1,036</td>)"
                        R"(<td class="number">1,036</td><td class="number">2,072</td>)"
                        R"(<td class="number">94 %</td>)"));
  EXPECT_TRUE(has(page, R"(<td>31</td><td><span class="soft">parked</span></td>)"));
}

TEST(VmPage, SaysWhereExitsAreNotRaised) {
  Vm vm = sample_vm("web-1", {});
  vm.counts.total = {};
  vm.counts.total.halts[0].halts = 5;
  vm.diagnosis.breakdown = std::make_shared<VmBreakdown>();
  const std::string page = page_of(vm);
  EXPECT_TRUE(has(page, "Exits are not raised by this KVM"));
  EXPECT_TRUE(has(page, "None of them is known yet."));
  EXPECT_TRUE(has(page, "It programs no timer by an MSR."));
}

TEST(VmPage, SaysThatAGuestIsNewOrHasEnded) {
  Vm vm = sample_vm("web-1", {});
  vm.diagnosis.breakdown = nullptr;
  EXPECT_TRUE(has(page_of(vm), "has not been seen for ten seconds yet"));
  vm.state = VmState::ended;
  EXPECT_TRUE(has(page_of(vm), "This guest has ended."));
}

TEST(VmPage, IsNotThereForUnknownAndExcludedNames) {
  Vm hidden = sample_vm("hidden", {});
  hidden.excluded = true;
  const Snapshot host = sample_host({sample_vm("web-1", {}), hidden});
  const Response unknown = answer(host, "name=%3Cb%3Ex%22");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_TRUE(has(unknown.body, "No guest called <bdi>&lt;b&gt;x&quot;</bdi> is shown here."));
  EXPECT_EQ(answer(host, "name=hidden").status, 404);
  EXPECT_EQ(answer(host, "name=web-").status, 404);
  EXPECT_EQ(answer(host, "name=WEB-1").status, 404);
  for (const char* query : {"", "name=", "name", "vm=web-1"})
    EXPECT_EQ(answer(host, query).status, 400) << query;
}

/// What VMMs may be told to call a VM. The label has lost its control characters by then.
TEST(VmPage, TakesAnyName) {
  for (const std::string label :
       {"a&name=b", "a+b", "a b", "100%", "%41", "x\"><script>alert(1)</script>", "</title><b>",
        "Büro ☃", "\u202Eevil", "#?/..", "'", "javascript:alert(1)"}) {
    const Vm vm = sample_vm(label, {sample_finding(FindingKind::idle_tick, 20)});
    const std::string page = page_of(vm);
    EXPECT_FALSE(has(page, "<script")) << label;
    EXPECT_FALSE(has(page, "<b>")) << label;
    EXPECT_EQ(page.find("</title>"), page.rfind("</title>")) << label;
  }
}

TEST(Pages, CanNeitherRunNorFetchAnything) {
  const Headers headers = answer(sample_host({}), "name=x").headers;
  const std::pair<std::string, std::string> policy = {
      "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"};
  EXPECT_NE(std::find(headers.begin(), headers.end(), policy), headers.end());
}

}  // namespace
}  // namespace kvmx
