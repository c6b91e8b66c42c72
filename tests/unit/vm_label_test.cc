// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/vm_label.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "exporter/identity/label_value.h"

namespace kvmx {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

using Labels = std::vector<std::string>;

VmToLabel named(std::string_view name, std::uint32_t tgid) {
  return {.tgid = tgid, .start_ns = 1000 + tgid, .name = name, .comm = "qemu-kvm"};
}

VmToLabel gone(VmToLabel vm) {
  vm.gone = true;
  return vm;
}

VmToLabel of_form(int form, VmToLabel vm) {
  vm.form = form;
  return vm;
}

Labels labels_of(std::span<const VmToLabel> vms) {
  Labels texts;
  for (VmLabel& label : vm_labels(vms)) texts.push_back(std::move(label.text));
  return texts;
}

// ---- label values ------------------------------------------------------------------------------

TEST(LabelValue, KeepsValidText) {
  for (const std::string_view text : {"", "web-1", "a\"b\\c", "Büro", "雪", "😀", "\x7e", "\xC2\xA0",
                                      "\xED\x9F\xBF", "\xEE\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_EQ(label_value(text), text);
  }
}

TEST(LabelValue, ReplacesControlCharacters) {
  EXPECT_EQ(label_value("a\nb"), "a" + std::string(kReplacement) + "b");
  EXPECT_EQ(label_value(std::string_view("\0", 1)), kReplacement);
  EXPECT_EQ(label_value("\x1b"), kReplacement);
  EXPECT_EQ(label_value("\x7f"), kReplacement);
  EXPECT_EQ(label_value("\xC2\x85"), kReplacement);  // NEL, of C1
}

TEST(LabelValue, ReplacesEachByteThatIsNotUtf8) {
  const std::string once(kReplacement);
  EXPECT_EQ(label_value("\x80"), once);                                   // lone continuation
  EXPECT_EQ(label_value("a\xff"), "a" + once);                            // no such byte
  EXPECT_EQ(label_value("\xC3"), once);                                   // cut short
  EXPECT_EQ(label_value("\xE2\x82"), once + once);                        // cut short
  EXPECT_EQ(label_value("\xC0\xAF"), once + once);                        // overlong '/'
  EXPECT_EQ(label_value("\xE0\x80\xAF"), once + once + once);             // overlong '/'
  EXPECT_EQ(label_value("\xED\xA0\x80"), once + once + once);             // surrogate
  EXPECT_EQ(label_value("\xF0\x80\x80\xAF"), once + once + once + once);  // overlong
  EXPECT_EQ(label_value("\xF4\x90\x80\x80"), once + once + once + once);  // above U+10FFFF
  EXPECT_EQ(label_value("\xF5\x80\x80\x80"), once + once + once + once);  // above U+10FFFF
  EXPECT_EQ(label_value("\xC3("
                        "\xC3\xA9"),
            once + "(" + "é");
}

TEST(LabelValue, IsCutBetweenCharacters) {
  EXPECT_EQ(label_value(std::string(1000, 'x')), std::string(kMaxLabelBytes, 'x'));
  EXPECT_EQ(label_value("ééé", 5), "éé");
  EXPECT_EQ(label_value("aé", 2), "a");
  EXPECT_EQ(label_value("\xff", 2), "");
  EXPECT_EQ(label_value("abc", 0), "");
  EXPECT_EQ(utf8_prefix("ééé", 5), "éé");
  EXPECT_EQ(utf8_prefix("ééé", 6), "ééé");
  EXPECT_EQ(utf8_prefix("é", 1), "");
  EXPECT_EQ(utf8_prefix("abc", 9), "abc");
}

// ---- labels ------------------------------------------------------------------------------------

TEST(VmLabels, NothingIsNamedNothing) { EXPECT_TRUE(labels_of({}).empty()); }

TEST(VmLabels, NameElseCommAndPid) {
  const VmToLabel vms[] = {named("web", 1), named("", 2), {.tgid = 3}, named("\n", 4)};
  EXPECT_EQ(labels_of(vms), (Labels{"web", "qemu-kvm-2", "vm-3", std::string(kReplacement)}));
}

TEST(VmLabels, AClashRenamesBoth) {
  const VmToLabel vms[] = {named("a", 12), named("b", 13), named("a", 14)};
  EXPECT_EQ(labels_of(vms), (Labels{"a@12", "b", "a@14"}));
}

TEST(VmLabels, SeveralVmsOfOneProcess) {
  const VmToLabel vms[] = {{.tgid = 5, .ordinal = 0, .name = "a"},
                           {.tgid = 5, .ordinal = 1, .name = "a"},
                           {.tgid = 6, .ordinal = 0, .name = "a"}};
  EXPECT_EQ(labels_of(vms), (Labels{"a@5/0", "a@5/1", "a@6"}));
  const VmToLabel unnamed[] = {{.tgid = 5, .ordinal = 0, .comm = "t"},
                               {.tgid = 5, .ordinal = 1, .comm = "t"}};
  EXPECT_EQ(labels_of(unnamed), (Labels{"t-5@5/0", "t-5@5/1"}));
}

TEST(VmLabels, AReusedProcessId) {
  const VmToLabel vms[] = {{.tgid = 5, .start_ns = 100, .name = "a", .gone = true},
                           {.tgid = 5, .start_ns = 200, .name = "a", .gone = true}};
  EXPECT_EQ(labels_of(vms), (Labels{"a@5/0/100", "a@5/0/200"}));
}

TEST(VmLabels, ARestartedVmKeepsItsName) {
  const VmToLabel once[] = {gone(named("a", 12)), named("a", 14)};
  EXPECT_EQ(labels_of(once), (Labels{"a@12", "a"}));
  const VmToLabel twice[] = {gone(named("a", 12)), gone(named("a", 13)), named("a", 14)};
  EXPECT_EQ(labels_of(twice), (Labels{"a@12", "a@13", "a"}));
  const VmToLabel none[] = {gone(named("a", 12)), gone(named("a", 13))};
  EXPECT_EQ(labels_of(none), (Labels{"a@12", "a@13"}));
  const VmToLabel two[] = {gone(named("a", 12)), named("a", 13), named("a", 14)};
  EXPECT_EQ(labels_of(two), (Labels{"a@12", "a@13", "a@14"}));
  const VmToLabel alone[] = {gone(named("a", 12))};
  EXPECT_EQ(labels_of(alone), Labels{"a"});
}

TEST(VmLabels, AVmKeepsTheFormItHad) {
  const VmToLabel clash[] = {named("a", 12), named("a", 14)};
  for (const VmLabel& label : vm_labels(clash)) EXPECT_EQ(label.form, 1);
  // The other one ended, or is forgotten.
  const VmToLabel ended[] = {gone(of_form(1, named("a", 12))), of_form(1, named("a", 14))};
  EXPECT_EQ(labels_of(ended), (Labels{"a@12", "a@14"}));
  const VmToLabel alone[] = {of_form(1, named("a", 14))};
  EXPECT_EQ(labels_of(alone), Labels{"a@14"});
  // The name is free for a third one.
  const VmToLabel third[] = {of_form(1, named("a", 14)), named("a", 15)};
  EXPECT_EQ(labels_of(third), (Labels{"a@14", "a"}));
  const VmToLabel imitated[] = {of_form(1, named("a", 14)), named("a@14", 15)};
  EXPECT_EQ(labels_of(imitated), (Labels{"a@14/0", "a@14@15"}));
}

TEST(VmLabels, ANameThatLooksLikeALabel) {
  const VmToLabel vms[] = {named("a", 12), named("a", 13), named("a@12", 99)};
  EXPECT_EQ(labels_of(vms), (Labels{"a@12/0", "a@13", "a@12@99"}));
  const VmToLabel comm[] = {named("", 7), named("qemu-kvm-7", 8)};
  EXPECT_EQ(labels_of(comm), (Labels{"qemu-kvm-7@7", "qemu-kvm-7@8"}));
}

TEST(VmLabels, NamesThatAgreeOnlyWhenMadeFit) {
  const VmToLabel vms[] = {named("a\n", 1), named("a\r", 2)};
  const std::string a = "a" + std::string(kReplacement);
  EXPECT_EQ(labels_of(vms), (Labels{a + "@1", a + "@2"}));
}

TEST(VmLabels, LongNamesStayDistinctWhenCut) {
  const std::string x(kMaxLabelBytes, 'x');
  const std::string longer = x + "1";
  const std::string other = x + "2";
  const VmToLabel vms[] = {named(longer, 1), named(other, 2)};
  EXPECT_EQ(labels_of(vms), (Labels{std::string(254, 'x') + "@1", std::string(254, 'x') + "@2"}));
}

VmToLabel exported_as(std::string_view label, VmToLabel vm) {
  vm.label = label;
  return vm;
}

TEST(VmLabels, ALiveVmKeepsTheLabelItIsExportedUnder) {
  const VmToLabel vms[] = {exported_as("a", named("a", 1)), named("a", 2)};
  EXPECT_EQ(labels_of(vms), (Labels{"a", "a@2"}));
  const VmToLabel two[] = {exported_as("a", named("a", 1)), named("a", 2), named("a@2", 3)};
  EXPECT_EQ(labels_of(two), (Labels{"a", "a@2/0", "a@2@3"}));
  const VmToLabel renamed[] = {exported_as("a", named("b", 1)), named("a", 2), named("b", 3)};
  EXPECT_EQ(labels_of(renamed), (Labels{"a", "a@2", "b"}));
}

TEST(VmLabels, AVmThatEndedLeavesItsLabelToOneThatLives) {
  const VmToLabel vms[] = {gone(exported_as("a", named("a", 1))), named("a", 2)};
  EXPECT_EQ(labels_of(vms), (Labels{"a@1", "a"}));
}

TEST(VmLabels, ALabelThatAnImitatorHasIsNotTakenFromIt) {
  // The second is called what the first becomes when it ends.
  const VmToLabel vms[] = {gone(exported_as("a", named("a", 1))),
                           exported_as("a@1", named("a@1", 2)), named("a", 3)};
  EXPECT_EQ(labels_of(vms), (Labels{"a@1/0", "a@1", "a"}));
}

TEST(VmLabels, TwoDescriptionsOfOneVmAreStillTold) {
  const VmToLabel vms[] = {named("a", 1), named("a", 1)};
  const Labels labels = labels_of(vms);
  EXPECT_EQ(std::set(labels.begin(), labels.end()),
            (std::set<std::string>{"a@1/0/1001#1", "a@1/0/1001#2"}));
}

TEST(VmLabels, NamesThatImitateEveryForm) {
  // Each is what the ones before it would become.
  const Labels names = {"a", "a", "a@1", "a@2", "a@1/0", "a@2/0", "a@1/0/1001", "a@2/0/1002"};
  std::vector<VmToLabel> vms;
  for (std::uint32_t i = 0; i < names.size(); ++i) vms.push_back(named(names[i], i + 1));
  const Labels labels = labels_of(vms);
  EXPECT_EQ(std::set(labels.begin(), labels.end()).size(), names.size());
}

/// Names from few parts, so that they collide with each other's forms all the time.
std::string colliding_name(std::mt19937& random) {
  static constexpr std::array<std::string_view, 11> parts = {"a",  "@1", "@2", "/0",   "/1", "/7",
                                                             "#1", "#2", "\n", "\xff", "é"};
  std::string name;
  const auto count = random() % 7;
  for (std::size_t i = 0; i < count; ++i) name += parts[random() % parts.size()];
  if (random() % 10 == 0) name.insert(0, kMaxLabelBytes - random() % 12, 'y');
  return name;
}

TEST(VmLabels, AreDistinctFitAndIndependentOfOrder) {
  std::mt19937 random(20250601);
  for (int round = 0; round < 2000; ++round) {
    const std::size_t count = 1 + random() % 30;
    Labels names;
    for (std::size_t i = 0; i < count; ++i) names.push_back(colliding_name(random));
    std::vector<VmToLabel> vms;
    std::set<std::array<std::uint64_t, 3>> keys;
    for (const std::string& name : names) {
      const VmToLabel vm{.tgid = 1 + static_cast<std::uint32_t>(random() % 3),
                         .start_ns = 7 + random() % 2,
                         .ordinal = static_cast<std::uint32_t>(random() % 2),
                         .name = name,
                         .comm = "a",
                         .gone = random() % 3 == 0,
                         .form = static_cast<int>(random() % 4)};
      if (keys.insert({vm.tgid, vm.start_ns, vm.ordinal}).second) vms.push_back(vm);
    }
    Labels labels = labels_of(vms);
    ASSERT_EQ(labels.size(), vms.size());
    EXPECT_EQ(std::set(labels.begin(), labels.end()).size(), vms.size());
    for (const std::string& label : labels) {
      EXPECT_FALSE(label.empty());
      EXPECT_LE(label.size(), kMaxLabelBytes);
      EXPECT_EQ(label_value(label), label);
    }
    std::reverse(vms.begin(), vms.end());
    std::reverse(labels.begin(), labels.end());
    EXPECT_EQ(labels_of(vms), labels);
  }
}

TEST(VmLabels, ThousandsOfClashesAreQuick) {
  std::vector<VmToLabel> vms;
  for (std::uint32_t tgid = 1; tgid <= 4096; ++tgid) vms.push_back(named("same", tgid));
  const Labels labels = labels_of(vms);
  EXPECT_EQ(labels.front(), "same@1");
  EXPECT_EQ(labels.back(), "same@4096");
}

}  // namespace
}  // namespace kvmx
