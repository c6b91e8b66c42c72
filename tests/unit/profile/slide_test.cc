// SPDX-License-Identifier: Apache-2.0
#include "exporter/profile/slide.h"

#include <gtest/gtest.h>

#include <string>

#include "samples.h"

namespace kvmx {
namespace {

bool says(const Result<Slide>& slide, const std::string& words) {
  return !slide && slide.error().message.find(words) != std::string::npos;
}

TEST(Slides, AreFoundFromNamesAlone) {
  const std::string map = sample_map();
  const auto image = parse_kernel(map);
  ASSERT_TRUE(image);
  for (const std::uint64_t steps : {0U, 1U, 17U, 490U}) {
    const auto slide = find_slide(*image, sample_evidence(steps * kStep));
    ASSERT_TRUE(slide) << slide.error().message;
    EXPECT_EQ(slide->bytes, static_cast<std::int64_t>(steps * kStep));
    EXPECT_EQ(slide->fitting, 3U);
    EXPECT_LT(slide->log10_chance, -8);
  }
}

TEST(Slides, AreFoundFromCodeAlone) {
  const std::string file = sample_elf(false);
  const auto image = parse_kernel(file);
  ASSERT_TRUE(image);
  const auto slide = find_slide(*image, sample_evidence(33 * kStep));
  ASSERT_TRUE(slide) << slide.error().message;
  EXPECT_EQ(slide->bytes, static_cast<std::int64_t>(33 * kStep));
  EXPECT_NE(slide->text().find("0x4200000 above these addresses: 3 of 3"), std::string::npos)
      << slide->text();
}

TEST(Slides, MayGoDownFromTheAddressesOfAnotherBoot) {
  const std::string kallsyms = sample_map(100 * kStep);
  const auto image = parse_kernel(kallsyms);
  ASSERT_TRUE(image);
  const auto slide = find_slide(*image, sample_evidence(40 * kStep));
  ASSERT_TRUE(slide);
  EXPECT_EQ(slide->bytes, -static_cast<std::int64_t>(60 * kStep));
}

TEST(Slides, OfAnotherKernelAreRefused) {
  const std::string map = sample_map();
  const auto image = parse_kernel(map);
  auto evidence = sample_evidence(5 * kStep);
  evidence[0].rip += 0x1000;  // there its functions are elsewhere
  EXPECT_TRUE(says(find_slide(*image, evidence), "another kernel's symbols"));
  const std::string file = sample_elf();
  EXPECT_TRUE(says(find_slide(*parse_kernel(file), evidence), "another kernel's symbols"));
}

TEST(Slides, AreNoMultiplesOfAPage) {
  const std::string map = sample_map();
  EXPECT_TRUE(says(find_slide(*parse_kernel(map), sample_evidence(kStep / 2)), "another kernel's"));
}

TEST(Slides, ThatLittleSpeaksForAreRefused) {
  const std::string map = sample_map();
  const auto image = parse_kernel(map);
  EXPECT_TRUE(says(find_slide(*image, {}), "none is of HLT"));
  const std::vector<KnownInstruction> one = {
      sample_evidence("pv_native_safe_halt", Instruction::hlt, kStep)};
  EXPECT_TRUE(says(find_slide(*image, one), "1 address alone"));
  const std::vector<KnownInstruction> port = {
      sample_evidence("native_halt", Instruction::out, kStep)};
  EXPECT_TRUE(says(find_slide(*image, port), "none is of HLT")) << "any function may have it";
}

TEST(Slides, ARareInstructionMayBeOneThatTheKernelHasChanged) {
  const std::string map = sample_map();
  auto evidence = sample_evidence(7 * kStep);
  evidence.push_back(sample_evidence("function_77", Instruction::wrmsr, 7 * kStep, 3));
  const auto slide = find_slide(*parse_kernel(map), evidence);
  ASSERT_TRUE(slide);
  EXPECT_EQ(slide->fitting, 3U);
  EXPECT_EQ(slide->judged, 4U);
}

TEST(Slides, FunctionsByWhatTheyMayContain) {
  const KnownInstruction timer{Instruction::wrmsr, 0x6e0, 0, 1};
  EXPECT_TRUE(may_contain("lapic_next_deadline", timer));
  EXPECT_TRUE(may_contain("native_write_msr", timer));
  EXPECT_FALSE(may_contain("switch_mm_irqs_off", timer));
  EXPECT_TRUE(may_contain("switch_mm_irqs_off", {Instruction::wrmsr, 0x49, 0, 1}));
  EXPECT_TRUE(may_contain("native_apic_msr_eoi_write", {Instruction::wrmsr, 0x80b, 0, 1}));
  EXPECT_TRUE(may_contain("default_idle", {Instruction::hlt, std::nullopt, 0, 1}));
  EXPECT_FALSE(may_contain("inb", {Instruction::in, std::nullopt, 0, 1}));
}

}  // namespace
}  // namespace kvmx
