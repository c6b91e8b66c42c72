// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/accept.h"

#include <gtest/gtest.h>

namespace kvmx {
namespace {

TEST(Accept, ChoosesThePreferredFormat) {
  const struct {
    const char* accept;
    Format format;
  } cases[] = {
      {"", Format::text},
      {"*/*", Format::text},
      {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Format::text},
      {"text/plain", Format::text},
      {"TEXT/Plain; Version=0.0.4", Format::text},
      {"text/*", Format::text},
      {"application/openmetrics-text", Format::openmetrics},
      {"application/openmetrics-text; version=1.0.0; charset=utf-8", Format::openmetrics},
      {"application/openmetrics-text;version=\"1.0.0\"", Format::openmetrics},
      {"application/*", Format::openmetrics},
      // Prometheus 2.42, and Prometheus 3 with its escaping.
      {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
       "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
       Format::openmetrics},
      {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
       "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,"
       "*/*;q=0.2",
       Format::openmetrics},
      {"text/plain;version=0.0.4;q=0.5, application/openmetrics-text;q=0.4", Format::text},
      {"text/plain;q=0.4, application/openmetrics-text;q=0.401", Format::openmetrics},
      // Prometheus with native histograms on; Telegraf; those who name no message, or another form.
      {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,"
       "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
       Format::protobuf},
      {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;"
       "q=0.7,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
       Format::protobuf},
      {"application/vnd.google.protobuf;proto=\"io.prometheus.client.MetricFamily\";"
       "encoding=delimited;q=0.4,text/plain",
       Format::text},
      {"application/vnd.google.protobuf, text/plain;q=0.5", Format::text},
      {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
       Format::text},
      // Alike: who is named more closely, then earlier.
      {"*/*, application/openmetrics-text", Format::openmetrics},
      {"text/plain, application/openmetrics-text", Format::text},
      {"application/openmetrics-text, text/plain", Format::openmetrics},
      // The closer range decides, whatever the wider one says.
      {"*/*, application/openmetrics-text;q=0", Format::text},
      {"text/plain;q=0, */*;q=0.1", Format::openmetrics},
      // Java's own client.
      {"text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", Format::text},
      // Whoever wants something else gets text, as by Prometheus's own libraries.
      {"application/openmetrics-text;version=0.0.1", Format::text},
      {"text/plain;version=1.0.0", Format::text},
      {"text/plain;charset=latin-1", Format::text},
      {"application/json", Format::text},
      {"*/*;q=0", Format::text},
      // A quality that is above 1, too exact or unreadable is no reason to drop its range.
      {"text/plain;q=0.5, application/openmetrics-text;q=0.50001", Format::text},
      {"text/plain;q=0, application/openmetrics-text;q=2", Format::openmetrics},
      {"text/plain;q=0.9, application/openmetrics-text;q=high", Format::openmetrics},
      {"text/plain;q=0.9, application/openmetrics-text;q=nan", Format::openmetrics},
      {"text/plain;q=.9, application/openmetrics-text;q=.8", Format::text},
      {",;,;q=1,", Format::text},
  };
  for (const auto& each : cases) EXPECT_EQ(choose_format(each.accept), each.format) << each.accept;
}

TEST(Accept, TakesGzipOnlyWherePreferred) {
  for (const char* yes : {"gzip", "deflate, gzip", "GZIP;q=0.1", "x-gzip", "*", "br;q=1, *;q=0.1",
                          "gzip;q=1.000, identity;q=0.5", "identity;q=0, gzip;q=0.001", "gzip;q=x"})
    EXPECT_TRUE(takes_gzip(yes)) << yes;
  for (const char* no : {"", "identity", "gzip;q=0", "gzip;q=0.000", "*;q=0", "deflate, br",
                         "*, gzip;q=0", "gzip;q=0.4, identity;q=0.5", "gzipped"})
    EXPECT_FALSE(takes_gzip(no)) << no;
}

TEST(Accept, ReadsQualitiesInThousandths) {
  const auto preferences =
      parse_preferences(" a;q=1 ,b;q=0.12, c ; Level=\"1,2\" ;q=0.004,d;q=1.1,e;q=-1,f;q=.2");
  ASSERT_EQ(preferences.size(), 6U);
  EXPECT_EQ(preferences[3].quality, 1000);
  EXPECT_EQ(preferences[4].quality, 1000);
  EXPECT_EQ(preferences[5].quality, 200);
  EXPECT_EQ(preferences[0].quality, 1000);
  EXPECT_EQ(preferences[1].quality, 120);
  EXPECT_EQ(preferences[2].what, "c");
  EXPECT_EQ(preferences[2].quality, 4);
  EXPECT_EQ(preferences[2].parameters.at(0),
            std::make_pair(std::string("level"), std::string("1,2")));
}

}  // namespace
}  // namespace kvmx
