// SPDX-License-Identifier: Apache-2.0
#include "exporter/exposition/text_writer.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace kvmx {
namespace {

constexpr Family kCounter = {"things", MetricType::counter, "Things."};
constexpr Family kGauge = {"level", MetricType::gauge, "A level."};

TEST(Labels, EscapeWhatTheFormatAsksFor) {
  Labels labels;
  labels.add("vm", "a\"b\\c\nd{}é");
  EXPECT_EQ(labels.text(), "vm=\"a\\\"b\\\\c\\nd{}é\"");
}

TEST(Labels, MarkTakesBackWhatWasAddedAfterIt) {
  Labels labels;
  labels.add("vm", "web");
  {
    const Labels::Mark mark(labels);
    labels.add("vcpu", std::uint64_t{3});
    EXPECT_EQ(labels.text(), "vm=\"web\",vcpu=\"3\"");
  }
  EXPECT_EQ(labels.text(), "vm=\"web\"");
}

TEST(TextWriter, CountersEndInTotalAndHaveOneHeader) {
  std::string out;
  TextWriter writer(out);
  Labels labels;
  labels.add("vm", "web");
  writer.begin(kCounter);
  writer.sample(labels, std::uint64_t{0});
  writer.sample(Labels(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(out,
            "# HELP things_total Things.\n# TYPE things_total counter\n"
            "things_total{vm=\"web\"} 0\nthings_total 18446744073709551615\n");
  EXPECT_EQ(writer.series(), 2U);
}

TEST(TextWriter, FamilyWithoutSamplesLeavesNoTrace) {
  std::string out;
  TextWriter writer(out);
  writer.begin(kCounter);
  writer.begin(kGauge);
  writer.sample(Labels(), std::uint64_t{7});
  EXPECT_EQ(out, "# HELP level A level.\n# TYPE level gauge\nlevel 7\n");
}

struct SecondsCase {
  std::uint64_t ns;
  const char* text;
};

class Seconds : public testing::TestWithParam<SecondsCase> {};

TEST_P(Seconds, AreWrittenToTheNanosecond) {
  std::string out;
  TextWriter writer(out);
  writer.begin(kGauge);
  writer.sample(Labels(), Nanoseconds{GetParam().ns});
  EXPECT_EQ(out.substr(out.rfind(' ') + 1), GetParam().text + std::string("\n"));
}

INSTANTIATE_TEST_SUITE_P(
    TextWriter, Seconds,
    testing::Values(SecondsCase{0, "0"}, SecondsCase{1, "0.000000001"},
                    SecondsCase{500'000'000, "0.5"}, SecondsCase{1'000'000'000, "1"},
                    SecondsCase{1'000'000'010, "1.00000001"},
                    SecondsCase{1'795'419'418'281'392'917, "1795419418.281392917"},
                    SecondsCase{std::numeric_limits<std::uint64_t>::max(),
                                "18446744073.709551615"}));

}  // namespace
}  // namespace kvmx
