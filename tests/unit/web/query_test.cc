// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/query.h"

#include <gtest/gtest.h>

#include "exporter/web/metrics_handler.h"

namespace kvmx {
namespace {

using Values = std::vector<std::string>;

TEST(Query, DecodesTheValuesOfAParameter) {
  EXPECT_EQ(query_values("", "a"), Values{});
  EXPECT_EQ(query_values("a=1&b=2&a=3", "a"), (Values{"1", "3"}));
  EXPECT_EQ(query_values("collect[]=exits&collect%5B%5D=msrs", "collect[]"),
            (Values{"exits", "msrs"}));
  EXPECT_EQ(query_values("a=x+y%20z%2", "a"), Values{"x y z%2"});
  EXPECT_EQ(query_values("a&a=&=a&&aa=1&a==", "a"), (Values{"", "", "="}));
  EXPECT_EQ(query_values("a=%", "a"), Values{"%"});
  EXPECT_EQ(query_values("a=%zz%4", "a"), Values{"%zz%4"});
}

TEST(Query, DecodesPaths) {
  EXPECT_EQ(percent_decode("/a%2Fb+c"), "/a/b+c");
  EXPECT_EQ(percent_decode("/metrics%00.html"), std::string("/metrics\0.html", 14));
  EXPECT_EQ(percent_decode("%"), "%");
}

TEST(Query, EncodesWhatItDecodes) {
  EXPECT_EQ(percent_encode("web-1_a.b~C"), "web-1_a.b~C");
  EXPECT_EQ(percent_encode("a b&c=d+e%f/?#\"'<>"), "a%20b%26c%3Dd%2Be%25f%2F%3F%23%22%27%3C%3E");
  EXPECT_EQ(percent_encode("ü"), "%C3%BC");
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  EXPECT_EQ(query_values("x=1&name=" + percent_encode(all), "name"), Values{all});
}

TEST(Query, SelectsCollectorsByName) {
  const CollectorSet all = CollectorSet().set();
  const CollectorSet exits = *collector_named("exits");
  const CollectorSet msrs = *collector_named("msrs");
  EXPECT_EQ(*chosen_collectors("", all), all);
  EXPECT_EQ(*chosen_collectors("other=1", exits), exits);
  EXPECT_EQ(*chosen_collectors("collect[]=msrs&collect[]=exits", all), exits | msrs);
  EXPECT_EQ(*chosen_collectors("exclude[]=msrs&exclude[]=exits", all), all & ~(exits | msrs));
  EXPECT_EQ(*chosen_collectors("exclude%5B%5D=msrs", exits), exits);  // is not there anyway
}

TEST(Query, RefusesUnknownAndDisabledCollectors) {
  const CollectorSet enabled = *collector_named("exits") | *collector_named("halts");
  const auto unknown = chosen_collectors("collect[]=disks", enabled);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().message, "unknown collector in collect[]; there are exits, halts");
  const auto excluded = chosen_collectors("exclude[]=disks", enabled);
  ASSERT_FALSE(excluded);
  EXPECT_EQ(excluded.error().message, "unknown collector in exclude[]; there are exits, halts");
  EXPECT_FALSE(chosen_collectors("collect[]=exits&exclude[]=halts", enabled));
  const auto disabled = chosen_collectors("collect[]=exits&collect[]=msrs", enabled);
  ASSERT_FALSE(disabled);
  EXPECT_EQ(disabled.error().message, "disabled collector in collect[]; there are exits, halts");
}

TEST(Query, SelectsWhichFamiliesHaveTheLabelVcpu) {
  EXPECT_EQ(*chosen_per_vcpu("", PerVcpu::counts), PerVcpu::counts);
  EXPECT_EQ(*chosen_per_vcpu("collect[]=exits", PerVcpu::all), PerVcpu::all);
  EXPECT_EQ(*chosen_per_vcpu("per_vcpu=none", PerVcpu::all), PerVcpu::none);
  EXPECT_EQ(*chosen_per_vcpu("per%5Fvcpu=c%6Funts", PerVcpu::all), PerVcpu::counts);
  EXPECT_EQ(*chosen_per_vcpu("exclude[]=msrs&per_vcpu=all", PerVcpu::none), PerVcpu::all);
  for (const char* query : {"per_vcpu=", "per_vcpu", "per_vcpu=some", "per_vcpu=ALL", "per_vcpu=1",
                            "per_vcpu=none,all", "per_vcpu=none&per_vcpu=none"}) {
    const auto chosen = chosen_per_vcpu(query, PerVcpu::counts);
    ASSERT_FALSE(chosen) << query;
    EXPECT_EQ(chosen.error().message, "give per_vcpu once, as none, counts or all");
  }
}

}  // namespace
}  // namespace kvmx
