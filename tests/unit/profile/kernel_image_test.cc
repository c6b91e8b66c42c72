// SPDX-License-Identifier: Apache-2.0
#include "exporter/profile/kernel_image.h"

#include <gtest/gtest.h>

#include <string>

#include "samples.h"

namespace kvmx {
namespace {

TEST(KernelImage, OfAnElfFileWithSymbols) {
  const std::string file = sample_elf();
  const auto image = parse_kernel(file);
  ASSERT_TRUE(image);
  ASSERT_EQ(image->code.size(), 1U);
  EXPECT_EQ(image->code[0].address, kLinked);
  const auto found = image->symbols.find(sample_address("native_write_msr") + 5);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->name, "native_write_msr");
  EXPECT_EQ(found->offset, 5U);
  EXPECT_TRUE(has_instruction(
      image->code[0].bytes, sample_address("native_write_msr") + 5 - kLinked, Instruction::wrmsr));
}

TEST(KernelImage, AStrippedOneHasItsCode) {
  const std::string file = sample_elf(false);
  const auto image = parse_kernel(file);
  ASSERT_TRUE(image);
  EXPECT_EQ(image->code.size(), 1U);
  EXPECT_FALSE(image->symbols.find(kLinked));
}

TEST(KernelImage, OneThatIsCutIsRefusedOrReadAsFarAsItGoes) {
  const std::string file = sample_elf();
  for (const std::size_t size :
       {std::size_t{4}, std::size_t{63}, std::size_t{64}, file.size() - 1, file.size() - 64})
    static_cast<void>(parse_kernel(std::string_view(file).substr(0, size)));
  EXPECT_FALSE(parse_kernel(std::string_view(file).substr(0, 63)));
}

TEST(KernelImage, OtherFilesSayWhatTheyAre) {
  std::string packed(1024, 'x');
  packed.replace(0x202, 4, "HdrS");
  EXPECT_NE(parse_kernel(packed).error().message.find("vmlinuz"), std::string::npos);
  EXPECT_NE(parse_kernel(std::string("\x1f\x8b\x08\x00", 4)).error().message.find("compressed"),
            std::string::npos);
  std::string arm = sample_elf();
  arm[18] = static_cast<char>(EM_AARCH64);
  EXPECT_NE(parse_kernel(arm).error().message.find("x86-64"), std::string::npos);
}

TEST(Instructions, InAllTheirForms) {
  const auto has = [](std::string_view bytes, std::size_t at, Instruction instruction) {
    const auto* const first = reinterpret_cast<const unsigned char*>(bytes.data());
    return has_instruction({first, bytes.size()}, at, instruction);
  };
  EXPECT_TRUE(has("\xfb\xf4", 1, Instruction::hlt));
  EXPECT_FALSE(has("\xfb\xf4", 0, Instruction::hlt));
  EXPECT_FALSE(has("\xfb\xf4", 2, Instruction::hlt)) << "behind the end";
  EXPECT_TRUE(has("\x0f\x30", 0, Instruction::wrmsr));
  EXPECT_TRUE(has("\x0f\x30\xc3", 2, Instruction::wrmsr)) << "the address after it";
  EXPECT_FALSE(has("\x0f", 0, Instruction::wrmsr));
  EXPECT_TRUE(has("\x0f\x32", 0, Instruction::rdmsr));
  EXPECT_TRUE(has("\x0f\xa2", 0, Instruction::cpuid));
  EXPECT_TRUE(has("\xec", 0, Instruction::in));
  EXPECT_TRUE(has("\x66\xed", 0, Instruction::in)) << "of 16 bits";
  EXPECT_TRUE(has("\xf3\x6d", 0, Instruction::in)) << "a string";
  EXPECT_TRUE(has("\xe6\x80", 0, Instruction::out)) << "a port in the instruction";
  EXPECT_FALSE(has("\xec", 0, Instruction::out));
  EXPECT_FALSE(has("\x66", 0, Instruction::in));
}

TEST(Instructions, EvidenceIsWhatPlacesSay) {
  Place halt{.rip = kLinked + 5, .reason = 0x78, .exits = 5000};
  Place again = halt;  // on another vCPU
  Place write{.rip = kLinked + 64,
              .reason = 0x7c,
              .access = KVMX_ACCESS_MSR_WRITE,
              .number = 0x6e0,
              .exits = 9000};
  Place fault{.rip = kLinked + 128, .reason = 0x400, .exits = 7000};
  Place program{.rip = 0x401000, .reason = 0x72, .exits = 7000};
  Place rare{.rip = kLinked + 256, .reason = 0x78, .exits = 1};
  const std::vector<Place> places = {halt, again, write, fault, program, rare};
  const auto evidence = known_instructions(Isa::svm, places);
  ASSERT_EQ(evidence.size(), 2U);
  EXPECT_EQ(evidence[0].instruction, Instruction::hlt);
  EXPECT_EQ(evidence[0].exits, 10'000U);
  EXPECT_EQ(evidence[1].msr, 0x6e0U);
  EXPECT_EQ(known_instructions(Isa::vmx, places).size(), 1U) << "reasons have other codes";
}

}  // namespace
}  // namespace kvmx
