// SPDX-License-Identifier: Apache-2.0
#include "exporter/profile/symbols.h"

#include <gtest/gtest.h>

#include <string>

#include "exporter/profile/symbol_file.h"
#include "samples.h"

namespace kvmx {
namespace {

TEST(Symbols, OfASystemMap) {
  const std::string text =
      "0000000000000000 A __per_cpu_start\n"
      "ffffffff81000000 T _stext\nffffffff81000000 T _text\n"
      "ffffffff81000040 t lapic_next_deadline\nffffffff81000080 W __weak\n"
      "ffffffff82000000 D data\n";
  const auto table = parse_symbols(text);
  ASSERT_TRUE(table);
  EXPECT_EQ(table->begin(), kLinked);
  EXPECT_EQ(table->find(kLinked)->name, "_stext") << "the first of two";
  const auto found = table->find(kLinked + 0x68);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->name, "lapic_next_deadline");
  EXPECT_EQ(found->offset, 0x28U);
  EXPECT_EQ(table->find(kLinked + 0x90)->name, "__weak");
  EXPECT_FALSE(table->find(kLinked - 1));
  EXPECT_FALSE(table->find(kLinked + 0x80 + (1U << 20U))) << "no function is that long";
}

TEST(Symbols, OfKallsymsWithModules) {
  const auto table = parse_symbols(
      "ffffffffa1000000 T _stext\n"
      "ffffffffc0400000 t vp_notify\t[virtio_pci]\n"
      "ffffffffc0400040 t bpf_prog_6deef7357e7b4530\t[bpf]\n");
  ASSERT_TRUE(table);
  EXPECT_EQ(table->begin(), 0xffffffffa1000000U);
  EXPECT_LT(table->end(), kImageEnd) << "modules are not the kernel's own code";
  EXPECT_EQ(table->find(0xffffffffc0400010)->module, "virtio_pci");
}

TEST(Symbols, OddLinesArePassedOver) {
  const auto table = parse_symbols(
      "\n   \nffffffff81000000\nffffffff81000000 T\nffffffff81000000 TT a\nxyz T b\n"
      "ffffffff810000000 T too_long\nffffffff81000000 T right [\nffffffff81000100 T last");
  ASSERT_TRUE(table);
  EXPECT_EQ(table->find(kLinked)->name, "right");
  EXPECT_EQ(table->find(kLinked + 0x100)->name, "last");
}

TEST(Symbols, WhatElseTheFileIsSaysTheError) {
  EXPECT_NE(parse_symbols("").error().message.find("neither a System.map"), std::string::npos);
  EXPECT_NE(parse_symbols("a host name\n").error().message.find("neither"), std::string::npos);
  EXPECT_NE(parse_symbols("0000000000000000 T _text\n0000000000000000 t f\n")
                .error()
                .message.find("as root"),
            std::string::npos);
  EXPECT_NE(
      parse_symbols("ffffffffffffffff B The real System.map is in the linux-image-dbg package")
          .error()
          .message.find("Debian's System.map"),
      std::string::npos);
}

TEST(Symbols, AreNamesOfPlaces) {
  const auto image = parse_kernel(
      "ffffffff81000000 T _stext\nffffffff81000040 t bad\x1b[31m\n"
      "ffffffffc0400000 t vp_notify\t[virtio_pci]\n");
  ASSERT_TRUE(image);
  const auto name = name_of(*image, kStep, kLinked + kStep + 0x44);
  ASSERT_TRUE(name);
  EXPECT_EQ(name->text(), "bad?[31m+0x4") << "what would speak to the terminal does not";
  EXPECT_FALSE(name_of(*image, kStep, 0xffffffffc0400000)) << "modules of another boot";
  EXPECT_EQ(name_of(*image, 0, 0xffffffffc0400010)->text(), "vp_notify+0x10 [virtio_pci]");
  EXPECT_FALSE(name_of(*image, 0, 0x401000)) << "a program";
  EXPECT_FALSE(name_of(*image, 0, kImageEnd - 1));
}

TEST(Symbols, FilesThatCannotBeRead) {
  EXPECT_NE(SymbolFile::open("/nonexistent").error().message.find("/nonexistent"),
            std::string::npos);
  EXPECT_NE(SymbolFile::open("/dev/null").error().message.find("not a regular file"),
            std::string::npos);
}

}  // namespace
}  // namespace kvmx
