// SPDX-License-Identifier: Apache-2.0
#include "exporter/identity/vm_filter.h"

#include <gtest/gtest.h>

namespace kvmx {
namespace {

struct FilterCase {
  const char* include;
  const char* exclude;
  const char* vm;
  bool shown;
};

class VmFilterTest : public testing::TestWithParam<FilterCase> {};

std::optional<Pattern> pattern(const char* text) {
  return text ? std::optional(*Pattern::compile(text)) : std::nullopt;
}

TEST_P(VmFilterTest, ShowsWhatItShall) {
  const VmFilter filter{pattern(GetParam().include), pattern(GetParam().exclude)};
  EXPECT_EQ(filter.shows(GetParam().vm), GetParam().shown);
}

INSTANTIATE_TEST_SUITE_P(
    Names, VmFilterTest,
    testing::Values(
        FilterCase{nullptr, nullptr, "web", true}, FilterCase{"web", nullptr, "web", true},
        FilterCase{"web", nullptr, "web-1", false},  // anchored at the end
        FilterCase{"web", nullptr, "old-web", false}, FilterCase{"web.*", nullptr, "web-1", true},
        FilterCase{"web|db", nullptr, "db", true},  // as a whole
        FilterCase{"web|db", nullptr, "db2", false}, FilterCase{nullptr, "ci-.*", "ci-7", false},
        FilterCase{nullptr, "ci-.*", "web", true}, FilterCase{"web.*", ".*-ci", "web-ci", false},
        FilterCase{"web.*", ".*-ci", "web-1", true}, FilterCase{"(?i)WEB", nullptr, "web", true},
        FilterCase{"w.b", nullptr, "wéb", true},  // of characters, not of bytes
        FilterCase{"", nullptr, "web", false}));

TEST(PatternTest, SaysWhatIsWrong) {
  const Result<Pattern> compiled = Pattern::compile("web[");
  ASSERT_FALSE(compiled);
  EXPECT_EQ(compiled.error().message, "\"web[\" is not a regular expression (RE2): missing ]: [");
}

// A pattern that takes others exponential time.
TEST(PatternTest, TakesLinearTime) {
  const Result<Pattern> compiled = Pattern::compile("(a*)*b");
  ASSERT_TRUE(compiled);
  EXPECT_FALSE(compiled->matches(std::string(256, 'a')));
}

}  // namespace
}  // namespace kvmx
