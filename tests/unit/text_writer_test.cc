// SPDX-License-Identifier: Apache-2.0
#include "exporter/exposition/text_writer.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "exporter/exposition/registry_families.h"

namespace kvmx {
namespace {

constexpr Family kCounter = {"things", MetricType::counter, "Things."};
constexpr Family kGauge = {"level", MetricType::gauge, "A level."};

TEST(Labels, EscapeValues) {
  Labels labels;
  labels.add("vm", "a\"b\\c\nd{}é");
  EXPECT_EQ(labels.text(), "vm=\"a\\\"b\\\\c\\nd{}é\"");
}

TEST(Labels, MarkRemovesLaterLabels) {
  Labels labels;
  labels.add("vm", "web");
  {
    const Labels::Mark mark(labels);
    labels.add("vcpu", std::uint64_t{3});
    EXPECT_EQ(labels.text(), "vm=\"web\",vcpu=\"3\"");
  }
  EXPECT_EQ(labels.text(), "vm=\"web\"");
}

TEST(Labels, AreAddedOnceSomebodyAsks) {
  const Labels more("vcpu", "3");
  Labels labels("vm", "web");
  for (int i = 0; i < 2; ++i) {
    const Labels::Mark mark(labels);
    labels.add_if_asked(more);
    if (i == 0) continue;
    EXPECT_EQ(labels.text(), "vm=\"web\",vcpu=\"3\"");
    EXPECT_EQ(labels.text(), "vm=\"web\",vcpu=\"3\"");
    EXPECT_TRUE(labels.fields().ends_with(more.fields()));
  }
  EXPECT_EQ(labels.text(), "vm=\"web\"");
  EXPECT_EQ(labels.fields(), Labels("vm", "web").fields());
  labels.add_if_asked(more);
  {
    const Labels::Mark mark(labels);
    labels.add("op", "read");
  }
  EXPECT_EQ(labels.text(), "vm=\"web\",vcpu=\"3\"");
  Labels others("vm", "db");
  others.add_if_asked(more);
  others.add("op", "read");
  EXPECT_EQ(others.text(), "vm=\"db\",vcpu=\"3\",op=\"read\"");
}

/// What `write` writes in `format`.
template <typename Write>
std::string written(Format format, Write write) {
  std::string text;
  TextStream stream([&text](std::string_view piece) { text += piece; });
  TextWriter writer(stream, format);
  write(writer);
  EXPECT_FALSE(writer.end());
  stream.flush();
  return text;
}

TEST(TextWriter, CountersEndInTotalUnderOneHeader) {
  const auto write = [](TextWriter& writer) {
    Labels labels;
    labels.add("vm", "web");
    writer.begin(kCounter);
    writer.sample(labels, std::uint64_t{0});
    writer.sample(Labels(), std::numeric_limits<std::uint64_t>::max());
    EXPECT_EQ(writer.series(), 2U);
  };
  EXPECT_EQ(written(Format::text, write),
            "# HELP things_total Things.\n# TYPE things_total counter\n"
            "things_total{vm=\"web\"} 0\nthings_total 18446744073709551615\n");
  EXPECT_EQ(written(Format::openmetrics, write),
            "# HELP things Things.\n# TYPE things counter\n"
            "things_total{vm=\"web\"} 0\nthings_total 18446744073709551615\n# EOF\n");
}

TEST(TextWriter, OmitsFamiliesWithoutSamples) {
  EXPECT_EQ(written(Format::text,
                    [](TextWriter& writer) {
                      writer.begin(kCounter);
                      writer.begin(kGauge);
                      writer.sample(Labels(), std::uint64_t{7});
                    }),
            "# HELP level A level.\n# TYPE level gauge\nlevel 7\n");
}

TEST(TextWriter, InfoFamiliesAreGaugesInText) {
  const auto write = [](TextWriter& writer) {
    writer.begin({"vm", MetricType::info, "A VM."});
    writer.sample(Labels(), std::uint64_t{1});
  };
  EXPECT_EQ(written(Format::text, write),
            "# HELP vm_info A VM.\n# TYPE vm_info gauge\nvm_info 1\n");
  EXPECT_EQ(written(Format::openmetrics, write),
            "# HELP vm A VM.\n# TYPE vm info\nvm_info 1\n# EOF\n");
}

TEST(TextWriter, HistogramsAreCumulativeAndNameTheirUnit) {
  const auto write = [](TextWriter& writer) {
    writer.begin({"wait_seconds", MetricType::histogram, "Waits."});
    writer.histogram(
        Labels(),
        HistogramBuckets(std::array{0.00005, 0.25, 1.0}, 0, std::array{0.00005, 0.25, 1.0, 2.0}),
        std::array<std::uint64_t, 4>{1, 0, 2, 4}, Nanoseconds{2'500'000'000});
  };
  const std::string samples =
      "wait_seconds_bucket{le=\"5e-05\"} 1\nwait_seconds_bucket{le=\"0.25\"} 1\n"
      "wait_seconds_bucket{le=\"1.0\"} 3\nwait_seconds_bucket{le=\"+Inf\"} 7\n"
      "wait_seconds_sum 2.5\nwait_seconds_count 7\n";
  const std::string header = "# HELP wait_seconds Waits.\n# TYPE wait_seconds histogram\n";
  EXPECT_EQ(written(Format::text, write), header + samples);
  EXPECT_EQ(written(Format::openmetrics, write),
            header + "# UNIT wait_seconds seconds\n" + samples + "# EOF\n");
}

TEST(TextStream, PassesPiecesOfOneSizeAndLongTextsWhole) {
  std::vector<std::size_t> pieces;
  std::string text;
  TextStream stream([&](std::string_view piece) {
    pieces.push_back(piece.size());
    text += piece;
  });
  const std::string half(TextStream::kPiece / 2 + 1, 'a');
  const std::string twice(2 * TextStream::kPiece, 'b');
  for (const std::string& written : {half, half, twice}) stream.write(written);
  stream.flush();
  stream.flush();
  EXPECT_EQ(pieces, (std::vector{half.size(), half.size(), twice.size()}));
  EXPECT_EQ(text, half + half + twice);
}

struct RegistryCase {
  double value;
  const char* text;
};

class RegistryValue : public testing::TestWithParam<RegistryCase> {};

TEST_P(RegistryValue, IsWrittenAsGoWouldButWholeNumbersWithoutExponent) {
  prometheus::MetricFamily family{
      "requests_total", "Requests.", prometheus::MetricType::Counter, {}};
  family.metric.resize(1);
  family.metric[0].label = {{"code", "2\"0"}};
  family.metric[0].counter.value = GetParam().value;
  EXPECT_EQ(written(Format::openmetrics, [&](TextWriter& w) { write_families({family}, w); }),
            std::string("# HELP requests Requests.\n# TYPE requests counter\n"
                        "requests_total{code=\"2\\\"0\"} ") +
                GetParam().text + "\n# EOF\n");
}

INSTANTIATE_TEST_SUITE_P(TextWriter, RegistryValue,
                         testing::Values(RegistryCase{0, "0"}, RegistryCase{-3, "-3"},
                                         RegistryCase{1'700'000'000, "1700000000"},
                                         RegistryCase{0.25, "0.25"}, RegistryCase{1e300, "1e+300"},
                                         RegistryCase{std::nan(""), "NaN"},
                                         RegistryCase{-HUGE_VAL, "-Inf"}));

TEST(TextWriter, RefusesOtherRegistryTypes) {
  const prometheus::MetricFamily summary{"s", "", prometheus::MetricType::Summary, {}};
  EXPECT_THROW(written(Format::text, [&](TextWriter& w) { write_families({summary}, w); }),
               std::invalid_argument);
}

struct SecondsCase {
  std::uint64_t ns;
  const char* text;
};

class Seconds : public testing::TestWithParam<SecondsCase> {};

TEST_P(Seconds, AreWrittenToTheNanosecond) {
  const std::string out = written(Format::text, [](TextWriter& writer) {
    writer.begin(kGauge);
    writer.sample(Labels(), Nanoseconds{GetParam().ns});
  });
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
