// SPDX-License-Identifier: Apache-2.0
#include "exporter/profile/report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "exporter/profile/advice.h"
#include "samples.h"

namespace kvmx {
namespace {

constexpr std::uint64_t kUpper = 0xffffffff8110ac58;

Report sample_report(bool per_vcpu = false) {
  Report report;
  Profile& profile = report.profile;
  profile.vm = "storm";
  profile.pid = 4242;
  profile.vcpus = 2;
  profile.isa = Isa::vmx;
  profile.seconds = profile.counted_seconds = 10;
  profile.counts.places = {sample_place(kUpper, 0, 32, 2600, KVMX_ACCESS_MSR_WRITE, 0x6e0),
                           sample_place(kUpper, 1, 32, 2400, KVMX_ACCESS_MSR_WRITE, 0x6e0),
                           sample_place(kUpper + 0x1000, 1, 12, 4000),
                           sample_place(0x401000, 0, 10, 900)};
  profile.counts.others = {{48, 100}};
  for (const Place& place : rank(profile.counts, per_vcpu))
    report.ranking.push_back({place, std::nullopt});
  report.low_kernel = has_low_kernel(report);
  report.notes = advise(report);
  return report;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Report, AsATable) {
  Report report = sample_report();
  report.ranking[0].name = FunctionName{"lapic_next_deadline", "", 0x28, "apic.c", 475};
  const std::string text = table_text(report, 0);
  EXPECT_TRUE(text.starts_with(
      "storm (pid 4242, 2 vCPUs): 10,000 exits in 10.0 s, 1,000 a second\n\n"
      "   share  exits/s  reason         access                   guest address       where\n"
      "  50.0 %      500  MSR_WRITE      write IA32_TSC_DEADLINE  0xffffffff8110ac58  "
      "lapic_next_deadline+0x28 (apic.c:475)\n"))
      << text;
  EXPECT_TRUE(has(text,
                  "   9.0 %       90  CPUID                                   "
                  "0x401000            user space\n"))
      << text;
  EXPECT_TRUE(has(text, "EPT_VIOLATION")) << text;
  EXPECT_TRUE(has(text, "more addresses than there is room for")) << text;
}

TEST(Report, ShowsAsManyPlacesAsWanted) {
  const std::string text = table_text(sample_report(), 1);
  EXPECT_TRUE(has(text, "  and 2 more places with 49.0 % of the exits: --top=0 shows all\n"))
      << text;
  EXPECT_FALSE(has(text, "CPUID"));
}

TEST(Report, ByVcpuHasAColumn) {
  const std::string text = table_text(sample_report(true), 0);
  EXPECT_TRUE(has(text, "   share  exits/s  vCPU  reason ")) << text;
  EXPECT_TRUE(has(text, "  26.0 %      260     0  MSR_WRITE ")) << text;
}

TEST(Report, SlicesAreTold) {
  Report report = sample_report();
  report.profile.counted_seconds = 2;
  EXPECT_TRUE(has(table_text(report, 0), "exits in 2.0 s of 10.0 s, 5,000 a second"));
}

TEST(Report, AsJson) {
  Report report = sample_report();
  report.ranking[0].name = FunctionName{"lapic_next_deadline", "", 0x28};
  report.slide = -4096;
  const auto json = nlohmann::json::parse(profile_json(report, 0));
  EXPECT_EQ(json["exits"], 10'000);
  EXPECT_EQ(json["slide"], -4096);
  ASSERT_EQ(json["places"].size(), 3U);
  const auto& first = json["places"][0];
  EXPECT_EQ(first["exits"], 5000);
  EXPECT_EQ(first["share"], 0.5);
  EXPECT_EQ(first["msr"], "IA32_TSC_DEADLINE");
  EXPECT_EQ(first["index"], "0x6e0");
  EXPECT_EQ(first["op"], "write");
  EXPECT_EQ(first["rip"], "0xffffffff8110ac58");
  EXPECT_EQ(first["function"], "lapic_next_deadline");
  EXPECT_EQ(first["vcpus"], 2);
  EXPECT_FALSE(first.contains("vcpu"));
  EXPECT_EQ(json["other"]["EPT_VIOLATION"], 100);
  EXPECT_EQ(json["places_left_out"], 0);
  EXPECT_EQ(nlohmann::json::parse(profile_json(report, 1))["places_left_out"], 2);
  EXPECT_EQ(nlohmann::json::parse(profile_json(sample_report(), 0))["slide"], nullptr);
}

TEST(Report, AsFoldedStacks) {
  Report report = sample_report(true);
  report.profile.vm = "a;b";
  report.ranking[0].name = FunctionName{"default_idle", "", 0};
  const std::string text = folded_text(report);
  EXPECT_TRUE(
      text.starts_with("a,b;vCPU 1;default_idle;HLT 4000\n"
                       "a,b;vCPU 0;0xffffffff8110ac58;MSR_WRITE write IA32_TSC_DEADLINE "
                       "2600\n"))
      << text;
  EXPECT_TRUE(text.ends_with("a,b;other;EPT_VIOLATION 100\n")) << text;
}

TEST(Advice, NamesTheTickAndWhoIsBusy) {
  const auto text = table_text(sample_report(), 0);
  EXPECT_TRUE(has(text, "Both vCPUs exit at 0xffffffff8110ac58")) << text;
  EXPECT_TRUE(has(text, "50 % of the exits program the local timer")) << text;
  EXPECT_TRUE(has(text, "40 % of the exits are halts")) << text;
  EXPECT_FALSE(has(text, "by programs of the guest")) << "9 % are not much";
}

TEST(Advice, OneVcpuAlone) {
  Report report = sample_report();
  report.ranking.erase(report.ranking.begin());
  EXPECT_TRUE(has(advise(report).front(), "Of 2 vCPUs, 1 exits at")) << advise(report).front();
}

TEST(Advice, PortsAndPrograms) {
  Report report;
  report.profile.isa = Isa::svm;
  report.profile.vcpus = 1;
  report.profile.vms = 2;
  report.profile.ended = true;
  report.profile.counts.missed = 3;
  report.profile.counts.places = {
      sample_place(0x401000, 0, 0x7b, 90, KVMX_ACCESS_PORT_READ, 0x608)};
  report.ranking = {{rank(report.profile.counts, false)[0], std::nullopt}};
  const std::string text = table_text(report, 0);
  std::string notes;
  for (const std::string& note : advise(report)) notes += note + "\n";
  EXPECT_TRUE(has(notes, "100 % of the exits are made by programs of the guest")) << notes;
  EXPECT_TRUE(has(notes, "acpi_pm")) << notes;
  EXPECT_TRUE(has(notes, "2 VMs, whose exits are counted together")) << notes;
  EXPECT_TRUE(has(notes, "has ended meanwhile")) << notes;
  EXPECT_TRUE(has(notes, "skipped the counting program 3 times")) << notes;
}

TEST(Advice, FirmwareIsNoProgram) {
  Report report;
  report.profile.isa = Isa::svm;
  report.profile.counts.places = {sample_place(0x10392, 0, 0x78, 90)};
  report.ranking = {{rank(report.profile.counts, false)[0], std::nullopt}};
  report.low_kernel = has_low_kernel(report);
  EXPECT_TRUE(report.low_kernel);
  EXPECT_TRUE(has(advise(report).front(), "firmware")) << advise(report).front();
  EXPECT_TRUE(has(table_text(report, 0), "lower half"));
}

TEST(Advice, HiddenRegisters) {
  Profile profile;
  profile.counts.places = {sample_place(0, 0, 0x78, 90)};
  EXPECT_TRUE(addresses_are_hidden(profile));
  profile.counts.places = {sample_place(0xfff0, 0, 0x78, 90), sample_place(0xfff0, 0, 0x7c, 9),
                           sample_place(0xfff0, 1, 0x403, 9)};
  EXPECT_TRUE(addresses_are_hidden(profile));
  profile.counts.places.push_back(sample_place(0xfff2, 1, 0x403, 9));
  EXPECT_FALSE(addresses_are_hidden(profile));
  profile.counts.places = {sample_place(kUpper, 0, 0x78, 90)};
  EXPECT_FALSE(addresses_are_hidden(profile)) << "an idle guest may do nothing else";
  profile.counts.places.clear();
  EXPECT_FALSE(addresses_are_hidden(profile));
}

}  // namespace
}  // namespace kvmx
