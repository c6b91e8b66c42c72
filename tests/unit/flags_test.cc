// SPDX-License-Identifier: Apache-2.0
#include "exporter/flags.h"

#include <gtest/gtest.h>

#include <vector>

namespace kvmx {
namespace {

std::variant<Options, ExitCode> parse(std::vector<const char*> words) {
  words.insert(words.begin(), "kvm_exit_exporter");
  return parse_flags(static_cast<int>(words.size()), words.data(), [] { return std::string("1"); });
}

TEST(Flags, DefaultsAreAsDocumented) {
  const auto options = std::get<Options>(parse({}));
  EXPECT_EQ(options.listen_addresses, std::vector<std::string>{":10177"});
  EXPECT_EQ(options.telemetry_path, "/metrics");
  EXPECT_EQ(options.max_vcpus, 4096U);
  EXPECT_EQ(options.scrape_min_interval, std::chrono::seconds(1));
  EXPECT_EQ(options.vm_linger, std::chrono::minutes(5));
  EXPECT_EQ(options.log_level, "info");
  EXPECT_TRUE(options.sandbox);
  EXPECT_EQ(options.per_vcpu, PerVcpu::counts);
  EXPECT_TRUE(options.vm_filter.shows("any"));
}

TEST(Flags, SetTheirOptions) {
  const auto options = std::get<Options>(
      parse({"--web.listen-address=127.0.0.1:1", "--web.listen-address", "[::1]:2",
             "--web.telemetry-path=/m", "--bpf.max-vcpus=64", "--scrape.min-interval=250ms",
             "--vm.linger", "2h", "--log.level=debug", "--metrics.per-vcpu=all",
             "--vm.include=web.*", "--vm.exclude=.*-ci", "--no-sandbox"}));
  EXPECT_EQ(options.per_vcpu, PerVcpu::all);
  EXPECT_TRUE(options.vm_filter.shows("web-1"));
  EXPECT_FALSE(options.vm_filter.shows("web-1-ci"));
  EXPECT_FALSE(options.vm_filter.shows("db"));
  EXPECT_EQ(options.listen_addresses, (std::vector<std::string>{"127.0.0.1:1", "[::1]:2"}));
  EXPECT_EQ(options.telemetry_path, "/m");
  EXPECT_EQ(options.max_vcpus, 64U);
  EXPECT_EQ(options.scrape_min_interval, std::chrono::milliseconds(250));
  EXPECT_EQ(options.vm_linger, std::chrono::hours(2));
  EXPECT_EQ(options.log_level, "debug");
  EXPECT_FALSE(options.sandbox);
}

TEST(Flags, TopIsACommandWithFlagsOfItsOwn) {
  EXPECT_EQ(std::get<Options>(parse({})).command, Command::serve);
  const auto plain = std::get<Options>(parse({"top"}));
  EXPECT_EQ(plain.command, Command::top);
  EXPECT_EQ(plain.top.url, "");
  EXPECT_EQ(plain.top.sort, "cost");
  EXPECT_FALSE(plain.top.once || plain.top.json || plain.top.local);
  const auto options = std::get<Options>(
      parse({"top", "--url=https://kvm-1:10177", "--user=ops", "--password-file=/p", "--ca-file=/c",
             "--once", "--json", "--sort=wakeups", "--filter", "web"}));
  EXPECT_EQ(options.top.url, "https://kvm-1:10177");
  EXPECT_EQ(options.top.user, "ops");
  EXPECT_EQ(options.top.password_file, "/p");
  EXPECT_EQ(options.top.ca_file, "/c");
  EXPECT_TRUE(options.top.once && options.top.json);
  EXPECT_EQ(options.top.sort, "wakeups");
  EXPECT_EQ(options.top.filter, "web");
  const auto local = std::get<Options>(parse({"--vm.include=web.*", "top", "--local"}));
  EXPECT_TRUE(local.top.local);
  EXPECT_FALSE(local.vm_filter.shows("db"));
  EXPECT_EQ(std::get<ExitCode>(parse({"top", "--help"})).code, 0);
}

TEST(Flags, ProfileTakesAGuest) {
  const auto plain = std::get<Options>(parse({"profile", "web"}));
  EXPECT_EQ(plain.command, Command::profile);
  EXPECT_EQ(plain.profile.vm, "web");
  EXPECT_EQ(plain.profile.duration_ms, 10'000U);
  EXPECT_EQ(plain.profile.percent, 100U);
  EXPECT_FALSE(plain.profile.top);
  const auto options = std::get<Options>(
      parse({"profile", "--duration=2m", "--reason=msr", "--reason", "hlt", "--rate=5",
             "--per-vcpu", "--symbols=/s", "--top=3", "--json", "4242"}));
  EXPECT_EQ(options.profile.vm, "4242");
  EXPECT_EQ(options.profile.duration_ms, 120'000U);
  EXPECT_EQ(options.profile.reasons, (std::vector<std::string>{"msr", "hlt"}));
  EXPECT_EQ(options.profile.percent, 5U);
  EXPECT_EQ(options.profile.symbols, "/s");
  EXPECT_EQ(options.profile.top, 3U);
  EXPECT_TRUE(options.profile.per_vcpu && options.profile.json);
  EXPECT_EQ(std::get<ExitCode>(parse({"profile", "--help"})).code, 0);
}

TEST(Flags, HelpAndVersionExitWithZero) {
  EXPECT_EQ(std::get<ExitCode>(parse({"--help"})).code, 0);
  EXPECT_EQ(std::get<ExitCode>(parse({"--version"})).code, 0);
}

TEST(Flags, SystemdSocketIsAChoice) {
  EXPECT_FALSE(std::get<Options>(parse({})).systemd_socket);
  EXPECT_TRUE(std::get<Options>(parse({"--web.systemd-socket"})).systemd_socket);
  EXPECT_EQ(std::get<Options>(parse({"--vm.linger=8784h"})).vm_linger, std::chrono::hours(8784));
}

TEST(Flags, MistakesExitWithTwo) {
  const std::vector<std::vector<const char*>> mistakes = {
      {"--no-such-flag"},
      {"stray"},
      {"--bpf.max-vcpus=0"},
      {"--bpf.max-vcpus=many"},
      {"--bpf.max-vcpus=-1"},
      {"--web.telemetry-path=metrics"},
      {"--web.telemetry-path=/"},
      {"--web.telemetry-path=/vm"},
      {"--web.telemetry-path=/summary.json"},
      {"top", "stray"},
      {"top", "--url=ftp://a"},
      {"top", "--url="},
      {"top", "--url=http://a", "--local"},
      {"top", "--sort=size"},
      {"top", "--url=http://a", "--user=ops"},
      {"top", "--url=http://a", "--password-file=/p"},
      {"top", "--user=ops", "--password-file=/p"},
      {"top", "--web.max-requests=1"},
      {"profile"},
      {"profile", "a", "b"},
      {"profile", "a", "--rate=0"},
      {"profile", "a", "--rate=101"},
      {"profile", "a", "--duration=5"},
      {"profile", "a", "--duration=25h"},
      {"profile", "a", "--json", "--folded"},
      {"profile", "a", "--top=-1"},
      {"--once"},
      {"--log.level=loud"},
      {"--collector.events", "--no-collector.exits"},
      {"--web.listen-address=:10177", "stray"},
      {"--web.listen-address", ":10177", ":10178"},
      {"--web.listen-address=localhost"},
      {"--web.listen-address=:0"},
      {"--web.listen-address=unix:relative"},
      {"--web.telemetry-path=/a%00b"},
      {"--web.telemetry-path=/-/ready"},
      {"--web.max-requests=1001"},
      {"--vm.linger=9999999h"},
      {"--vm.linger=8785h"},
      {"--vm.linger=-1s"},
      {"--scrape.min-interval=2h"},
      {"--bpf.max-vcpus=1048577"},
      {"--vm.linger=5"},
      {"--vm.linger=5 parsecs"},
      {"--scrape.min-interval="},
      {"--web.listen-address"},
      {"--metrics.per-vcpu=some"},
      {"--metrics.per-vcpu=1"},
      {"--vm.include=web["},
      {"--vm.exclude=(?!web)"},
  };
  for (const auto& words : mistakes) {
    const auto parsed = parse(words);
    ASSERT_TRUE(std::holds_alternative<ExitCode>(parsed)) << words[0];
    EXPECT_EQ(std::get<ExitCode>(parsed).code, 2) << words[0];
  }
}

}  // namespace
}  // namespace kvmx
