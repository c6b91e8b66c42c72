// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/metrics_handler.h"

#include <gtest/gtest.h>

#include <string>

namespace kvmx {
namespace {

std::shared_ptr<const Snapshot> snapshot() {
  auto made = std::make_shared<Snapshot>();
  made->probes = {{"kvm_exit", true, 0}};
  return made;
}

std::string body_of(const Response& response) {
  std::string body;
  response.write_body([&body](std::string_view piece) { body += piece; });
  return body;
}

Request scrape(const std::string& accept, const std::string& query = "") {
  Request request;
  request.method = "GET";
  request.path = "/metrics";
  request.query = query;
  request.accept = accept;
  return request;
}

const ExpositionOptions kAll;

TEST(MetricsHandler, AnswersInTheFormatAskedFor) {
  MetricsHandler handler(snapshot, 1, kAll);
  const Response text = handler.answer(scrape(""));
  EXPECT_EQ(text.content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_NE(body_of(text).find("kvm_exporter_build_info"), std::string::npos);
}

TEST(MetricsHandler, OpenMetricsEndsWithEof) {
  MetricsHandler handler(snapshot, 1, kAll);
  const Response response = handler.answer(scrape("application/openmetrics-text; version=1.0.0"));
  EXPECT_EQ(response.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
  EXPECT_TRUE(body_of(response).ends_with("# EOF\n"));
}

TEST(MetricsHandler, RefusesUnknownFormatsAndCollectors) {
  MetricsHandler handler(snapshot, 1, kAll);
  EXPECT_EQ(handler.answer(scrape("application/json")).status, 406);
  EXPECT_EQ(handler.answer(scrape("", "collect[]=cpu")).status, 400);
  EXPECT_EQ(handler.answer(scrape("", "collect[]=host")).status, 200);  // neither counts any more
}

TEST(MetricsHandler, Answers503AboveTheLimit) {
  MetricsHandler handler(snapshot, 2, kAll);
  Response first = handler.answer(scrape(""));
  {
    const Response second = handler.answer(scrape(""));
    EXPECT_EQ(second.status, 200);
    const Response third = handler.answer(scrape(""));
    EXPECT_EQ(third.status, 503);
    EXPECT_NE(third.body.find("--web.max-requests=2"), std::string::npos);
  }
  EXPECT_EQ(handler.answer(scrape("")).status, 200);
}

TEST(MetricsHandler, ZeroMeansNoLimit) {
  MetricsHandler handler(snapshot, 0, kAll);
  const Response first = handler.answer(scrape(""));
  EXPECT_EQ(handler.answer(scrape("")).status, 200);
}

TEST(MetricsHandler, ShowsTheScrapeBefore) {
  MetricsHandler handler(snapshot, 1, kAll);
  EXPECT_NE(body_of(handler.answer(scrape(""))).find("kvm_exporter_series 0\n"), std::string::npos);
  EXPECT_NE(body_of(handler.answer(scrape(""))).find("kvm_exporter_series 1\n"), std::string::npos);
}

}  // namespace
}  // namespace kvmx
