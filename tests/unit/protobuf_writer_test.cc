// SPDX-License-Identifier: Apache-2.0
#include "exporter/exposition/protobuf_writer.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/protobuf_page.h"

namespace kvmx {
namespace {

template <typename Write>
std::string bytes_written(Write write) {
  std::string page;
  TextStream stream([&page](std::string_view piece) {
    EXPECT_LE(piece.size(), TextStream::kPiece);
    page += piece;
  });
  ProtobufWriter writer(stream);
  write(writer);
  stream.flush();
  EXPECT_EQ(page, "");  // that was to measure
  EXPECT_TRUE(writer.end());
  write(writer);
  EXPECT_FALSE(writer.end());
  stream.flush();
  return page;
}

template <typename Write>
ProtobufPage written(Write write) {
  return ProtobufPage(bytes_written(write));
}

TEST(ProtobufWriter, WritesCountersGaugesAndInfos) {
  const ProtobufPage page = written([](ProtobufWriter& writer) {
    Labels labels;
    labels.add("vm", "a\"b\\c\nd");
    writer.begin({"things", MetricType::counter, "Things."});
    Labels more("op", "read");
    more.add("index", "0x10");
    writer.sample(labels, more, std::uint64_t{7});
    writer.sample(labels, Nanoseconds{1'500'000'000});
    writer.begin({"nothing", MetricType::gauge, "Nothing."});
    writer.begin({"level", MetricType::gauge, "A level."});
    writer.sample(Labels(), 0.25);
    writer.begin({"host", MetricType::info, "A host."});
    writer.sample(labels, std::uint64_t{1});
    EXPECT_EQ(writer.series(), 4U);
  });
  EXPECT_EQ(page.families, (std::vector<std::string>{"things_total 0", "level 1", "host_info 1"}));
  EXPECT_EQ(page.series,
            (std::vector<std::string>{R"(things_total{vm="a\"b\\c\nd",op="read",index="0x10"} 7)",
                                      R"(things_total{vm="a\"b\\c\nd"} 1.5)", "level 0.25",
                                      R"(host_info{vm="a\"b\\c\nd"} 1)"}));
}

TEST(ProtobufWriter, TellsSinceWhenACounterCounts) {
  const HistogramBuckets buckets({}, 0, std::array<double, 1>{1});
  constexpr std::int64_t kThen = 1'796'000'000'123'456'789;
  const ProtobufPage page = written([&](ProtobufWriter& writer) {
    Labels labels("vm", "a");
    writer.begin({"things", MetricType::counter, "Things."});
    writer.sample(labels, std::uint64_t{1});
    labels.count_since(kThen);
    writer.sample(labels, std::uint64_t{2});
    writer.begin({"level", MetricType::gauge, "A level."});
    writer.sample(labels, 0.25);
    writer.begin({"spans", MetricType::histogram, "Spans."});
    writer.histogram(labels, buckets, std::array<std::uint64_t, 1>{1}, Nanoseconds{5});
    labels.count_since(0);
    writer.histogram(labels, buckets, std::array<std::uint64_t, 1>{1}, Nanoseconds{5});
  });
  EXPECT_EQ(page.created, (std::vector<std::int64_t>{kThen, kThen}));
  EXPECT_EQ(page.series,
            (std::vector<std::string>{R"(things_total{vm="a"} 1)", R"(things_total{vm="a"} 2)",
                                      R"(level{vm="a"} 0.25)"}));
}

TEST(ProtobufWriter, WritesLongLabelsAndFamiliesInPieces) {
  const std::string name(300, 'n');
  constexpr std::uint64_t kSamples = 2000;
  const ProtobufPage page = written([&](ProtobufWriter& writer) {
    writer.begin({"things", MetricType::counter, "Things."});
    for (std::uint64_t i = 0; i < kSamples; ++i) {
      Labels labels("vm", name);
      labels.add("number", i);
      writer.sample(labels, i);
    }
  });
  ASSERT_EQ(page.series.size(), kSamples);
  EXPECT_EQ(page.series.back(), "things_total{vm=\"" + name + "\",number=\"1999\"} 1999");
}

TEST(ProtobufWriter, WritesNothingOfNoFamilies) {
  EXPECT_EQ(bytes_written([](ProtobufWriter&) {}), "");
}

TEST(ProtobufWriter, NoticesAFamilyThatChanges) {
  TextStream nowhere([](std::string_view) {});
  ProtobufWriter writer(nowhere);
  const auto write = [&](std::uint64_t samples) {
    writer.begin({"things", MetricType::counter, "Things."});
    for (std::uint64_t i = 0; i < samples; ++i) writer.sample(Labels(), i);
  };
  write(1);
  EXPECT_TRUE(writer.end());
  write(2);
  EXPECT_THROW(static_cast<void>(writer.end()), std::logic_error);
}

constexpr std::array<double, 3> kBounds = {0.25, 0.5, 2};
constexpr std::array<double, 4> kTypical = {0.25, 0.5, 2, 3};

TEST(ProtobufWriter, WritesHistogramsBothWays) {
  const HistogramBuckets buckets(kBounds, 0, kTypical);
  const auto of = [&](std::array<std::uint64_t, 4> counts) {
    return written([&](ProtobufWriter& writer) {
      writer.begin({"spans", MetricType::histogram, "Spans."});
      writer.histogram(Labels(), buckets, counts, Nanoseconds{5});
      EXPECT_EQ(writer.series(), 1U);
    });
  };
  const ProtobufPage page = of({5, 3, 0, 9});
  EXPECT_EQ(page.families, (std::vector<std::string>{"spans 4"}));
  EXPECT_EQ(page.classic, (std::vector<std::string>{"spans_bucket 5", "spans_bucket 8",
                                                    "spans_bucket 8", "spans_bucket 17"}));
  ASSERT_EQ(page.native.size(), 1U);
  using Buckets = decltype(NativeHistogram::buckets);
  EXPECT_EQ(page.native[0].buckets, (Buckets{{-2, 5}, {-1, 3}, {2, 9}}));
  EXPECT_EQ(of({0, 0, 0, 0}).native[0].buckets, Buckets{});
  EXPECT_EQ(of({0, 0, 4, 1}).native[0].buckets, (Buckets{{1, 4}, {2, 1}}));
  constexpr std::uint64_t kMany = 1ULL << 62U;
  EXPECT_EQ(of({kMany, 1, kMany, kMany}).native[0].buckets,
            (Buckets{{-2, kMany}, {-1, 1}, {1, kMany}, {2, kMany}}));
}

}  // namespace
}  // namespace kvmx
