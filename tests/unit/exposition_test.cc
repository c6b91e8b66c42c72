// SPDX-License-Identifier: Apache-2.0
// Whole expositions against tests/golden/metrics.txt and openmetrics.txt. To accept a change that
// is meant, run with KVMX_UPDATE_GOLDEN=1 in the environment, and read the difference.
#include "exporter/metrics/write_exposition.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "exporter/base/version.h"
#include "exporter/counts/sum_counts.h"
#include "exporter/kernel/events.h"
#include "tests/bench/host.h"
#include "tests/unit/protobuf_page.h"

namespace kvmx {
namespace {

Vm storm() {
  Vm made;
  VmCounts& vm = made.counts;
  vm.key = {4242, 5'000'000'000, 0xffff8880};
  vm.isa = Isa::vmx;
  vm.comm = "qemu-system-x86";
  made.label = "web-1";
  made.identity = {.name = "web-1",
                   .display_name = "Web shop",
                   .uuid = "6f1f4a1e-0e9a-4b7c-9f51-3c1f2b7f1f00",
                   .vmm = "qemu",
                   .id = "",
                   .domain = "web-1",
                   .kube_namespace = "",
                   .kube_name = "",
                   .pod = "",
                   .project = "webshop",
                   .user = "alice"};
  VcpuCounts vcpu;
  vcpu.id = 0;
  vcpu.reasons = {{12, 33'030, 900'000'000}, {32, 33'160, 50'000'001}, {0x5f, 1, 0}};
  vcpu.msrs = {{std::nullopt, {1, 0}}, {0x123456, {0, 2}}, {0x6e0, {0, 33'160}}};
  vcpu.msr_faults = {1, 2};
  vcpu.timer_arms = {33'060, 33'061};
  vcpu.hv_timers_in_use = true;
  vcpu.halts = {{{5, 1000}, {33'025, 900'000'000}}};
  vcpu.userspace_exits = {{2, 7}, {47, 1}, {KVMX_USERSPACE_RESTART, 3}, {KVMX_USERSPACE_OTHER, 1}};
  vcpu.userspace_ns = 12'345;
  vcpu.events = {{0, 17}};
  vcpu.cpu_ns = 2'000'000'001;
  vcpu.run_delay_ns = 1'500;
  vcpu.poll_failed_ns = 1'000'000;
  vm.vcpus = {vcpu, vcpu};
  vm.vcpus[1].id = 1;
  vm.cpu_ns = {4'000'000'002, 1'000, 0, 7};
  vm.total = total(vm.vcpus);
  vm.slots = {0, 1};
  vm.listed = 3;
  vm.latency.buckets[0] = 3;
  vm.latency.buckets[15] = 4;
  vm.latency.buckets[16] = 1;
  vm.latency.sum_ns = 100'000'123;
  vm.intervals.buckets[4] = 66'318;
  vm.intervals.sum_ns = 66'318'000'000;
  vm.io = {{IoSpace::port, std::nullopt, {1, 0}},
           {IoSpace::port, 0x608, {90'000, 2}},
           {IoSpace::mmio, 0xfe003000, {0, 12}}};
  vm.line_changes = {2'004};
  vm.line_changes[KVMX_LINES] = 3;
  made.diagnosis.held_ns[static_cast<std::size_t>(FindingKind::timer_storm)] = 61'500'000'001;
  made.diagnosis.held_ns[static_cast<std::size_t>(FindingKind::idle_tick)] = 3'000'000'000;
  made.diagnosis.tick_hertz = 1036.2549;
  made.diagnosis.vcpus_running = 2;
  return made;
}

Vm hostile() {
  Vm made;
  VmCounts& vm = made.counts;
  vm.key = {77, 6'500'000'000, 0};
  vm.isa = Isa::svm;
  made.label = "a\"},x{\\";
  made.identity.name = "team-a_db";
  made.identity.kube_namespace = "team-a";
  made.identity.kube_name = "db";
  made.identity.pod = "virt-launcher-db-x7k2p";
  VcpuCounts vcpu;
  vcpu.reasons = {{std::nullopt, 3, 0}, {0x7c, 10, 1}, {0xffffffff, 1, 0}};
  vm.vcpus = {vcpu};
  vm.total = total(vm.vcpus);
  return made;
}

Snapshot sample() {
  Snapshot snapshot;
  snapshot.vms = {hostile(), storm()};
  snapshot.host = {Isa::vmx, "6.1.0-1-amd64", "Y", "200000", 64};
  snapshot.cpu_clock = {3'500'000'000, 3'099'999'488.5};
  snapshot.event_names = {"kvm_cpuid"};
  snapshot.probes = {{"kvm_exit", true, 0}, {"kvm_entry", false, std::nullopt}};
  snapshot.losses = {1, 2, 3, 4};
  snapshot.left_out_vms = 5;
  snapshot.slots = {2, 1, 4093};
  snapshot.boot_time_ns = 1'700'000'000'000'000'000;
  return snapshot;
}

struct GoldenCase {
  Format format;
  const char* file;
};

class GoldenExposition : public testing::TestWithParam<GoldenCase> {};

TEST_P(GoldenExposition, MatchesFile) {
  const std::string path = std::string(KVMX_SOURCE_DIR) + "/tests/golden/" + GetParam().file;
  Exposition exposition = render_exposition(
      sample(), SelfStats{0.25, 17, ProcessStats{1.5, 1'700'000'000.25, 4096, 8192, 9, 1024}},
      {.format = GetParam().format});
  // What differs from build to build.
  for (const std::string built : {kVersion, kRevision, kCompiler}) {
    const std::size_t at = exposition.text.find('"' + built + '"');
    ASSERT_NE(at, std::string::npos) << built;
    exposition.text.replace(at + 1, built.size(), "...");
  }
  if (std::getenv("KVMX_UPDATE_GOLDEN")) std::ofstream(path) << exposition.text;
  std::ostringstream golden;
  golden << std::ifstream(path).rdbuf();
  EXPECT_EQ(exposition.text, golden.str());
  EXPECT_EQ(exposition.series, 106U);
}

INSTANTIATE_TEST_SUITE_P(Format, GoldenExposition,
                         testing::Values(GoldenCase{Format::text, "metrics.txt"},
                                         GoldenCase{Format::openmetrics, "openmetrics.txt"}),
                         [](const auto& info) {
                           return info.param.format == Format::text ? "text" : "openmetrics";
                         });

/// The names of families in an exposition, without those of the exporter itself.
std::set<std::string> families(const std::string& exposition) {
  std::set<std::string> names;
  std::istringstream lines(exposition);
  for (std::string line; std::getline(lines, line);) {
    const std::string name = line.substr(7, line.find(' ', 7) - 7);
    const bool own = name.starts_with("kvm_exporter_") || name.starts_with("process_");
    if (line.starts_with("# TYPE ") && !own) names.insert(name);
  }
  return names;
}

TEST(Collectors, AreSelectedByName) {
  const auto msrs = collector_named("msrs");
  ASSERT_TRUE(msrs);
  const Exposition exposition = render_exposition(sample(), SelfStats{}, {.collectors = *msrs});
  EXPECT_EQ(families(exposition.text),
            (std::set<std::string>{"kvm_msr_accesses_total", "kvm_msr_faults_total",
                                   "kvm_timer_interval_seconds"}));
  EXPECT_NE(exposition.text.find("kvm_exporter_build_info"), std::string::npos);
  EXPECT_FALSE(collector_named("msr"));
  EXPECT_FALSE(collector_named(""));
}

TEST(Collectors, TogetherWriteEveryFamilyOnce) {
  std::multiset<std::string> each;
  for (const Collector& collector : kCollectors) {
    const Exposition exposition =
        render_exposition(sample(), SelfStats{}, {.collectors = *collector_named(collector.name)});
    each.merge(families(exposition.text));
  }
  const std::set<std::string> all = families(render_exposition(sample(), SelfStats{}).text);
  EXPECT_EQ(each, (std::multiset<std::string>(all.begin(), all.end())));
}

TEST(Collectors, MatchTheNamesOfFlags) {
  for (const EventInfo& event : kEvents)
    EXPECT_TRUE(collector_named(event.collector)) << event.collector;
}

/// Samples by name and labels, vcpu left out, those that are then the same added up; in billionths.
std::map<std::string, std::uint64_t> sums(const std::string& exposition) {
  constexpr std::string_view vcpu = ",vcpu=\"";
  std::map<std::string, std::uint64_t> added;
  std::istringstream lines(exposition);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#') || !line.starts_with("kvm_") || line.starts_with("kvm_exporter_"))
      continue;
    const std::size_t space = line.rfind(' ');
    const std::string value = line.substr(space + 1);
    const std::size_t whole = std::min(value.find('.'), value.size());
    std::string decimals = whole < value.size() ? value.substr(whole + 1) : "";
    decimals.resize(9, '0');
    std::string series = line.substr(0, space);
    if (const std::size_t at = series.find(vcpu); at != std::string::npos)
      series.erase(at, series.find('"', at + vcpu.size()) + 1 - at);
    added[series] += std::stoull(value.substr(0, whole) + decimals);
  }
  return added;
}

/// Names of samples with a label vcpu.
std::set<std::string> by_vcpu(const std::string& exposition) {
  std::set<std::string> names;
  std::istringstream lines(exposition);
  for (std::string line; std::getline(lines, line);)
    if (line.find(",vcpu=\"") != std::string::npos) names.insert(line.substr(0, line.find('{')));
  return names;
}

TEST(PerVcpuTest, SumsAreTheSameForEveryChoice) {
  const Snapshot snapshot = sample();
  const auto exposition = [&](PerVcpu per_vcpu) {
    return render_exposition(snapshot, {}, {.per_vcpu = per_vcpu}).text;
  };
  const std::set<std::string> counts = {"kvm_exits_total",        "kvm_msr_accesses_total",
                                        "kvm_msr_faults_total",   "kvm_timer_arms_total",
                                        "kvm_hv_timer_in_use",    "kvm_halts_total",
                                        "kvm_halt_seconds_total", "kvm_events_total"};
  std::set<std::string> all = counts;
  all.insert({"kvm_exit_handling_seconds_total", "kvm_userspace_exits_total",
              "kvm_userspace_seconds_total", "kvm_vcpu_cpu_seconds_total",
              "kvm_vcpu_run_delay_seconds_total"});
  EXPECT_EQ(by_vcpu(exposition(PerVcpu::none)), std::set<std::string>());
  EXPECT_EQ(by_vcpu(exposition(PerVcpu::counts)), counts);
  EXPECT_EQ(by_vcpu(exposition(PerVcpu::all)), all);

  const auto expected = sums(exposition(PerVcpu::all));
  EXPECT_EQ(sums(exposition(PerVcpu::counts)), expected);
  EXPECT_EQ(sums(exposition(PerVcpu::none)), expected);
  EXPECT_EQ(expected.at(R"(kvm_exits_total{vm="web-1",reason="HLT"})"), 66'060'000'000'000U);
  EXPECT_EQ(expected.at(R"(kvm_exit_handling_seconds_total{vm="web-1",reason="MSR_WRITE"})"),
            100'000'002U);
}

// What Sizing in deploy/README.md promises: 100 VMs of 16 vCPUs that each exit for 8 reasons, write
// 4 MSRs, arm timers, halt and return to the VMM.
TEST(PerVcpuTest, DefaultOfABigHostIsBelow37000Series) {
  const bench::Host host({.vms = 100, .vcpus = 16, .reasons = 8, .msrs = 4, .others = true});
  SlotReader reader([] { return 0; });
  const Snapshot snapshot = host.snapshot(reader);
  const auto series = [&](PerVcpu per_vcpu) {
    return render_exposition(snapshot, {}, {.per_vcpu = per_vcpu}).series;
  };
  EXPECT_LT(series(PerVcpu::counts), 37'000U);
  // Nothing is missing: 19 series a vCPU, 8 handling times, 2 reasons of returning, the time there,
  // CPU time and run delay, two histograms, CPU time of two kinds of threads, 6 families about the
  // VM; and the host.
  EXPECT_EQ(series(PerVcpu::counts), 1600U * 19 + 100U * (8 + 2 + 1 + 2 + 19 + 18 + 2 + 6) + 1);
  EXPECT_EQ(series(PerVcpu::all), 1600U * (19 + 8 + 2 + 1 + 2) + 100U * (19 + 18 + 2 + 6) + 1);
  EXPECT_EQ(series(PerVcpu::none), 100U * (19 + 8 + 2 + 1 + 2 + 19 + 18 + 2 + 6) + 1);
}

TEST(ExcludedVm, HasNoSeries) {
  Snapshot snapshot = sample();
  const std::size_t of_both = render_exposition(snapshot, {}).series;
  snapshot.vms[1].excluded = true;
  const Exposition exposition = render_exposition(snapshot, {});
  EXPECT_EQ(exposition.text.find("web-1"), std::string::npos);
  EXPECT_LT(exposition.series, of_both);
  EXPECT_NE(exposition.text.find(R"(vm="a\"},x{\\")"), std::string::npos);
}

TEST(VcpuCount, FallsBackOnVcpusThatRan) {
  Snapshot snapshot = sample();
  snapshot.vms[1].counts.listed = 0;
  EXPECT_NE(render_exposition(snapshot, SelfStats{}).text.find("kvm_vm_vcpus{vm=\"web-1\"} 2\n"),
            std::string::npos);
}

TEST(VcpuCount, IsAbsentForAnEndedVm) {
  Snapshot snapshot = sample();
  snapshot.vms[1].state = VmState::lingering;
  const std::string text = render_exposition(snapshot, SelfStats{}).text;
  EXPECT_EQ(text.find("kvm_vm_vcpus{vm=\"web-1\"}"), std::string::npos);
  EXPECT_NE(text.find("kvm_vm_info{vm=\"web-1\""), std::string::npos);
}

TEST(ExpositionWithoutVms, HasHostAndExporterFamilies) {
  Snapshot snapshot;
  snapshot.probes = {{"kvm_exit", false, std::nullopt}};
  const Exposition exposition = render_exposition(snapshot, SelfStats{});
  EXPECT_NE(exposition.text.find("kvm_host_info{isa=\"other\""), std::string::npos);
  EXPECT_NE(exposition.text.find("kvm_exporter_probe_attached{probe=\"kvm_exit\"} 0"),
            std::string::npos);
  EXPECT_EQ(exposition.text.find("kvm_exits_total"), std::string::npos);
}

/// A sample's line with its value as a protobuf page has it: a double.
std::string with_double(const std::string& line) {
  const std::size_t space = line.rfind(' ');
  return ProtobufPage::line(line.substr(0, space), Labels(), std::stod(line.substr(space)));
}

TEST(Exposition, OfMessagesHasTheSeriesOfText) {
  const auto page = [](Format format) {
    return render_exposition(sample(), {}, {.format = format, .per_vcpu = PerVcpu::all}).text;
  };
  const ProtobufPage messages(page(Format::protobuf));
  std::vector<std::string> lines;
  std::istringstream text(page(Format::text));
  for (std::string line; std::getline(text, line);)
    if (!line.starts_with('#') && line.find("_bucket{") == std::string::npos &&
        line.find("_seconds_sum{") == std::string::npos &&
        line.find("_seconds_count{") == std::string::npos)
      lines.push_back(with_double(line));
  EXPECT_EQ(messages.series, lines);
  ASSERT_EQ(messages.native.size(), 2U);
  using Buckets = decltype(NativeHistogram::buckets);
  EXPECT_EQ(messages.native[0].schema, 0);
  EXPECT_EQ(messages.native[0].buckets, (Buckets{{-21, 3}, {-6, 4}, {-5, 1}}));
  EXPECT_EQ(messages.native[1].schema, 2);
  EXPECT_EQ(messages.native[1].buckets, (Buckets{{-39, 66'318}}));  // 1 ms is below 2^(-39/4) s
}

/// Since when counters of sample()'s VMs count, which began 6.5 s after the boot and later.
std::set<std::int64_t> created(std::uint64_t attached_after_boot, bool continued,
                               const CollectorSet& collectors) {
  Snapshot snapshot = sample();
  snapshot.vms = {hostile()};
  snapshot.vms[0].counts.cpu_ns[0] = 1;
  snapshot.attached_ns = snapshot.boot_time_ns + attached_after_boot;
  snapshot.continued = continued;
  const ProtobufPage page(
      render_exposition(snapshot, {}, {.format = Format::protobuf, .collectors = collectors}).text);
  std::set<std::int64_t> after_boot;
  for (const std::int64_t ns : page.created)
    after_boot.insert(ns - static_cast<std::int64_t>(snapshot.boot_time_ns));
  return after_boot;
}

TEST(Exposition, OfMessagesTellsSinceWhenVmsAreCounted) {
  constexpr std::uint64_t kEarly = 1'000'000'000, kLate = 9'000'000'000;
  constexpr std::int64_t kStart = 6'500'000'000;
  const CollectorSet exits = *collector_named("exits"), cpu = *collector_named("cpu");
  EXPECT_EQ(created(kEarly, false, exits), std::set<std::int64_t>{kStart});
  EXPECT_EQ(created(kLate, false, exits), std::set<std::int64_t>{kLate});
  EXPECT_EQ(created(kLate, true, exits), std::set<std::int64_t>{}) << "whoever pinned it knows";
  EXPECT_EQ(created(kEarly, true, exits), std::set<std::int64_t>{kStart});
  EXPECT_EQ(created(kLate, true, cpu), std::set<std::int64_t>{kStart}) << "the kernel counts it";
}

}  // namespace
}  // namespace kvmx
