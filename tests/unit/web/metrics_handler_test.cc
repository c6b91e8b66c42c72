// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/metrics_handler.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "tests/unit/web/body_of.h"

namespace kvmx {
namespace {

std::shared_ptr<const Snapshot> snapshot() {
  auto made = std::make_shared<Snapshot>();
  made->probes = {{"kvm_exit", true, 0}};
  return made;
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
constexpr std::chrono::milliseconds kNoPatience(0);

TEST(MetricsHandler, AnswersInTheFormatAskedFor) {
  MetricsHandler handler(snapshot, 1, kAll, kNoPatience);
  const Response text = handler.answer(scrape(""));
  EXPECT_EQ(text.content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_NE(body_of(text).find("kvm_exporter_build_info"), std::string::npos);
}

TEST(MetricsHandler, OpenMetricsEndsWithEof) {
  MetricsHandler handler(snapshot, 1, kAll, kNoPatience);
  const Response response = handler.answer(scrape("application/openmetrics-text; version=1.0.0"));
  EXPECT_EQ(response.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
  EXPECT_TRUE(body_of(response).ends_with("# EOF\n"));
}

TEST(MetricsHandler, AnswersUnknownFormatsInText) {
  MetricsHandler handler(snapshot, 1, kAll, kNoPatience);
  const Response response = handler.answer(scrape("application/json"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "text/plain; version=0.0.4; charset=utf-8");
}

TEST(MetricsHandler, RefusesUnknownCollectors) {
  MetricsHandler handler(snapshot, 1, kAll, kNoPatience);
  EXPECT_EQ(handler.answer(scrape("", "collect[]=disks")).status, 400);
  EXPECT_EQ(handler.answer(scrape("", "collect[]=host")).status, 200);  // neither counts any more
}

std::shared_ptr<const Snapshot> one_vm() {
  auto made = std::make_shared<Snapshot>();
  Vm& vm = made->vms.emplace_back();
  vm.label = "web-1";
  vm.counts.isa = Isa::vmx;
  VcpuCounts vcpu;
  vcpu.reasons = {{12, 5, 1000}};
  vm.counts.total = vcpu;
  vcpu.id = 7;
  vm.counts.vcpus = {vcpu};
  return made;
}

TEST(MetricsHandler, LabelsVcpusAsTheScrapeWants) {
  MetricsHandler handler(one_vm, 1, kAll, kNoPatience);
  const auto has = [&](const std::string& query, const std::string& sample) {
    return body_of(handler.answer(scrape("", query))).find(sample + "\n") != std::string::npos;
  };
  const std::string exits = R"(kvm_exits_total{vm="web-1",reason="HLT"} 5)";
  const std::string exits_of_7 = R"(kvm_exits_total{vm="web-1",vcpu="7",reason="HLT"} 5)";
  const std::string time_of_7 =
      R"(kvm_exit_handling_seconds_total{vm="web-1",vcpu="7",reason="HLT"} 0.000001)";
  // One after the other: what one scrape wants changes nothing for the next.
  EXPECT_TRUE(has("per_vcpu=none", exits));
  EXPECT_TRUE(has("", exits_of_7));
  EXPECT_TRUE(has("per_vcpu=all", time_of_7));
  EXPECT_FALSE(has("per_vcpu=counts", time_of_7));
  EXPECT_FALSE(has("per_vcpu=none", exits_of_7));
  EXPECT_TRUE(has("per_vcpu=none&collect[]=exits", exits));
  const Response wrong = handler.answer(scrape("", "per_vcpu=some"));
  EXPECT_EQ(wrong.status, 400);
  EXPECT_EQ(wrong.body, "give per_vcpu once, as none, counts or all\n");
}

TEST(MetricsHandler, Answers503AboveTheLimit) {
  MetricsHandler handler(snapshot, 2, kAll, kNoPatience);
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

TEST(MetricsHandler, WaitsForATurnAboveTheLimit) {
  MetricsHandler handler(snapshot, 1, kAll, std::chrono::minutes(1));
  auto first = std::make_unique<Response>(handler.answer(scrape("")));
  std::atomic<int> status = 0;
  std::thread next([&] { status = handler.answer(scrape("")).status; });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(status, 0);
  first.reset();
  next.join();
  EXPECT_EQ(status, 200);
}

TEST(MetricsHandler, SlowClientHoldsNoPermit) {
  MetricsHandler handler(snapshot, 1, kAll, kNoPatience);
  const Response slow = handler.answer(scrape(""));
  int statuses = 0;
  slow.write_body([&](std::string_view) { statuses += handler.answer(scrape("")).status; });
  EXPECT_EQ(statuses, 200);
  // What was written last may have yet to be sent.
  EXPECT_EQ(handler.answer(scrape("")).status, 200);
}

TEST(MetricsHandler, ClientThatIsGoneGivesItsPermitBack) {
  MetricsHandler handler(snapshot, 1, kAll, kNoPatience);
  {
    const Response gone = handler.answer(scrape(""));
    EXPECT_ANY_THROW(gone.write_body([](std::string_view) { throw 1; }));
  }
  const Response next = handler.answer(scrape(""));
  EXPECT_EQ(next.status, 200);
  EXPECT_EQ(handler.answer(scrape("")).status, 503);
}

TEST(MetricsHandler, ZeroMeansNoLimit) {
  MetricsHandler handler(snapshot, 0, kAll, kNoPatience);
  const Response first = handler.answer(scrape(""));
  EXPECT_EQ(handler.answer(scrape("")).status, 200);
}

TEST(MetricsHandler, ShowsTheScrapeBefore) {
  MetricsHandler handler(snapshot, 1, kAll, kNoPatience);
  EXPECT_NE(body_of(handler.answer(scrape(""))).find("kvm_exporter_series 0\n"), std::string::npos);
  EXPECT_NE(body_of(handler.answer(scrape(""))).find("kvm_exporter_series 1\n"), std::string::npos);
}

}  // namespace
}  // namespace kvmx
