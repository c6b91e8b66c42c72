// SPDX-License-Identifier: Apache-2.0
// The samples are what gcc 12 made, in three versions of DWARF, of a file k.c: at kLinked the HLT
// of a function on line 2 that is inlined on line 5, at 1 a WRMSR of line 6, at 8 the HLT again.
#include "exporter/profile/line_table.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "exporter/base/file.h"
#include "samples.h"

namespace kvmx {
namespace {

std::string sample(const std::string& name) {
  const auto content = read_file(std::string(KVMX_SOURCE_DIR "/tests/fuzz/corpus/lines/") + name);
  return content ? *content : "";
}

constexpr std::string_view kLineStr("k.c\0/src\0", 9);
const std::vector<std::uint64_t> kAddresses = {kLinked - 1, kLinked,     kLinked + 1,
                                               kLinked + 7, kLinked + 8, kLinked + 64};

TEST(LineTable, OfEachVersionOfDwarf) {
  for (const char* const version : {"dwarf2", "dwarf4", "dwarf5"}) {
    const std::string line = sample(version);
    ASSERT_FALSE(line.empty());
    const auto found = find_lines({line, kLineStr, {}}, kAddresses);
    EXPECT_EQ(found.size(), 4U) << version;
    EXPECT_EQ(found.at(kLinked), (SourceLine{"k.c", 2})) << version;
    EXPECT_EQ(found.at(kLinked + 1), (SourceLine{"k.c", 6})) << version;
    EXPECT_EQ(found.at(kLinked + 7), (SourceLine{"k.c", 6})) << version;
    EXPECT_EQ(found.at(kLinked + 8), (SourceLine{"k.c", 2})) << version;
  }
}

TEST(LineTable, SeveralUnitsAndOneThatIsNotKnown) {
  const std::string unknown("\x03\0\0\0\x09\0\xff", 7);
  const std::string line = unknown + sample("dwarf4") + unknown + sample("dwarf5");
  EXPECT_EQ(find_lines({line, kLineStr, {}}, kAddresses).size(), 4U);
}

TEST(LineTable, OneThatIsCutIsReadAsFarAsItGoes) {
  const std::string line = sample("dwarf5");
  for (std::size_t size = 0; size < line.size(); ++size)
    EXPECT_LE(find_lines({std::string_view(line).substr(0, size), kLineStr, {}}, kAddresses).size(),
              4U);
  EXPECT_TRUE(find_lines({line, {}, {}}, kAddresses).empty()) << "files without names";
}

}  // namespace
}  // namespace kvmx
