// SPDX-License-Identifier: Apache-2.0
#include "exporter/snapshot/vm_rates.h"

#include <gtest/gtest.h>

#include "exporter/web/landing_page.h"

namespace kvmx {
namespace {

using namespace std::chrono_literals;

Vm vm(std::uint32_t pid, const std::string& label, std::uint64_t exits, std::uint64_t writes,
      std::uint64_t halt_ns) {
  Vm vm;
  vm.label = label;
  VmCounts& made = vm.counts;
  made.key.tgid = pid;
  made.vcpus.resize(3);
  for (std::uint32_t i = 1; i < 3; ++i) made.vcpus[i].id = i;  // the first is the unknown one
  made.total.reasons = {{12, exits / 2, 0}, {30, exits / 2, 0}};
  made.total.msrs = {{0x6e0, {9, writes / 2}}, {0x838, {0, writes / 2}}, {0x10, {7, 7}}};
  made.total.halts[KVMX_WAKEUP_POLL].ns = halt_ns / 2;
  made.total.halts[KVMX_WAKEUP_WAIT].ns = halt_ns / 2;
  return vm;
}

Snapshot of(std::vector<Vm> vms) {
  Snapshot snapshot;
  snapshot.vms = std::move(vms);
  return snapshot;
}

const VmRates::Clock::time_point kStart{};

TEST(VmRates, AreOverTheWindow) {
  VmRates rates;
  rates.record(of({vm(1, "a", 1000, 0, 0)}), kStart);
  EXPECT_TRUE(rates.busiest(10).empty());
  rates.record(of({vm(1, "a", 1400, 400, 3'000'000'000)}), kStart + 2s);
  auto busiest = rates.busiest(10);
  ASSERT_EQ(busiest.size(), 1U);
  EXPECT_EQ(busiest[0].label, "a");
  EXPECT_EQ(busiest[0].vcpus, 2U);
  EXPECT_DOUBLE_EQ(busiest[0].exits, 200);
  EXPECT_DOUBLE_EQ(busiest[0].timer_writes, 200);
  EXPECT_DOUBLE_EQ(busiest[0].halted, 0.75);
  // What was before the window counts no more.
  rates.record(of({vm(1, "a", 1400, 400, 3'000'000'000)}), kStart + 12s);
  busiest = rates.busiest(10);
  ASSERT_EQ(busiest.size(), 1U);
  EXPECT_DOUBLE_EQ(busiest[0].exits, 0);
}

TEST(VmRates, TheBusiestComeFirstAndTheEndedNotAtAll) {
  VmRates rates;
  Vm ended = vm(4, "ended", 9000, 0, 0);
  ended.state = VmState::ended;
  Vm hidden = vm(6, "hidden", 9000, 0, 0);
  hidden.excluded = true;
  rates.record(
      of({vm(1, "quiet", 0, 0, 0), vm(2, "loud", 0, 0, 0), vm(3, "ticks", 0, 0, 0), hidden}),
      kStart);
  rates.record(of({vm(1, "quiet", 0, 0, 0), vm(2, "loud", 90, 0, 0), vm(3, "ticks", 0, 8, 0),
                   vm(5, "new", 500, 0, 0), ended, hidden}),
               kStart + 1s);
  const auto busiest = rates.busiest(2);
  ASSERT_EQ(busiest.size(), 2U);
  EXPECT_EQ(busiest[0].label, "loud");
  EXPECT_EQ(busiest[1].label, "ticks");
}

TEST(LandingPage, ShowsBusyVmsAndEscapesTheirNames) {
  Snapshot snapshot = of({});
  snapshot.probes = {{"kvm_exit", true, 3}, {"kvm_msr", false, std::nullopt}};
  const std::string page =
      landing_page(snapshot, {{"<b>&\"", 32, 66300.4, 33160, 0.987}}, "/metrics?a=\"b\"", "no <b>");
  EXPECT_NE(page.find("<td>&lt;b&gt;&amp;&quot;</td>"), std::string::npos);
  EXPECT_NE(page.find(">66,300</td>"), std::string::npos);
  EXPECT_NE(page.find(">99 %</td>"), std::string::npos);
  EXPECT_NE(page.find("href=\"./metrics?a=&quot;b&quot;\""), std::string::npos);
  EXPECT_NE(page.find("not counted"), std::string::npos);
  EXPECT_EQ(page.find("<b>"), std::string::npos);
}

}  // namespace
}  // namespace kvmx
