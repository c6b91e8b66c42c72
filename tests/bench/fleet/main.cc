// SPDX-License-Identifier: Apache-2.0
// fleet_simulator: the pages of a fleet of KVM hosts, served by one process
//
// Host number 17 is at /host/0017/metrics, with each format, compression and ?per_vcpu= of a real
// exporter's. /targets lists them for http_sd_configs, and --file-sd prints that list for
// file_sd_configs.
#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "exporter/metrics/write_exposition.h"
#include "exporter/web/accept.h"
#include "exporter/web/metrics_handler.h"
#include "exporter/web/server.h"
#include "tests/bench/fleet/model.h"

namespace kvmx::bench {
namespace {

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string page_path(std::uint32_t host) {
  return "/host/" + Fleet::host_name(host).substr(4) + "/metrics";
}

/// Hosts share the addresses that are listened on.
std::string targets(const FleetOptions& options, const std::vector<std::string>& addresses) {
  nlohmann::json list = nlohmann::json::array();
  for (std::uint32_t host = 0; host < options.hosts; ++host) {
    const std::string name = Fleet::host_name(host);
    list.push_back(
        {{"targets", {addresses[host % addresses.size()]}},
         {"labels",
          {{"__metrics_path__", page_path(host)}, {"instance", name + ":10177"}, {"node", name}}}});
  }
  return list.dump(1) + "\n";
}

Response page(const Fleet& fleet, std::uint32_t host, PerVcpu fallback, const Request& request) {
  const Result<CollectorSet> collectors =
      chosen_collectors(request.query, ExpositionOptions{}.collectors);
  if (!collectors) return {.status = 400, .body = collectors.error().message + "\n"};
  const Result<PerVcpu> per_vcpu = chosen_per_vcpu(request.query, fallback);
  if (!per_vcpu) return {.status = 400, .body = per_vcpu.error().message + "\n"};
  const ExpositionOptions options{
      .format = choose_format(request.accept), .collectors = *collectors, .per_vcpu = *per_vcpu};
  return {.content_type = std::string(content_type(options.format)),
          .write_body =
              [&fleet, host, options](const Sink& sink) {
                const double now = now_seconds();
                write_exposition(fleet.snapshot(host, now, options.per_vcpu != PerVcpu::none),
                                 fleet.self(host, now), options, sink);
              },
          .headers = {{"Vary", "Accept"}}};
}

Routes routes(const Fleet& fleet, PerVcpu per_vcpu, const std::vector<std::string>& addresses) {
  Routes made;
  for (std::uint32_t host = 0; host < fleet.options().hosts; ++host)
    made[page_path(host)] = [&fleet, host, per_vcpu](const Request& request) {
      return page(fleet, host, per_vcpu, request);
    };
  made["/targets"] = [list = targets(fleet.options(), addresses)](const Request&) {
    return Response{.content_type = "application/json", .body = list};
  };
  made["/-/ready"] = [](const Request&) { return Response{.body = "ready\n"}; };
  return made;
}

int serve(const FleetOptions& options, PerVcpu per_vcpu,
          const std::vector<std::string>& addresses) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  Fleet fleet(options, now_seconds());
  auto configs = WebConfigWatcher::open("");
  // vmagent keeps a connection for each target.
  const ServerOptions listening{.listen_addresses = addresses, .threads = options.hosts + 64};
  auto server =
      WebServer::start(listening, routes(fleet, per_vcpu, addresses), std::move(*configs));
  if (!server) {
    std::cerr << server.error().message << '\n';
    return EXIT_FAILURE;
  }
  const timespec second{.tv_sec = 1, .tv_nsec = 0};
  for (int signal = 0; signal != SIGTERM && signal != SIGINT;) {
    signal = sigtimedwait(&signals, nullptr, &second);
    if (signal == SIGUSR1) fleet.begin_storms(now_seconds());
    server->housekeep(false);
  }
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace kvmx::bench

int main(int argc, char** argv) {
  using kvmx::PerVcpu;
  CLI::App app("The pages of a simulated fleet of KVM hosts, /host/NNNN/metrics each");
  kvmx::bench::FleetOptions fleet;
  std::vector<std::string> addresses = {"127.0.0.1:10190"};
  std::string per_vcpu = "none";
  bool file_sd = false;
  app.add_option("--listen", addresses, "HOST:PORT, also several")->capture_default_str();
  app.add_option("--hosts", fleet.hosts)->capture_default_str()->check(CLI::Range(1, 9999));
  app.add_option("--guests", fleet.guests, "of a host")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--vcpus", fleet.vcpus, "of a guest")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--per-vcpu", per_vcpu, "what exporters do unless a scrape says otherwise")
      ->capture_default_str()
      ->check(CLI::IsMember({"none", "counts", "all"}));
  app.add_option("--storms", fleet.storms, "guests that storm")->capture_default_str();
  app.add_option("--storm-after", fleet.storm_after, "seconds; below 0: when SIGUSR1 comes")
      ->capture_default_str();
  app.add_option("--storm-for", fleet.storm_for, "seconds; 0: for ever")->capture_default_str();
  app.add_option("--migrate-every", fleet.migrate_every,
                 "seconds until each host sends a guest to the next one; 0: never");
  app.add_option("--churn-every", fleet.churn_every,
                 "seconds that a tenth of the guests live; 0: for ever");
  app.add_option("--restart-every", fleet.restart_every,
                 "seconds until each exporter restarts; 0: never");
  app.add_flag("--file-sd", file_sd, "print the targets for file_sd_configs, and end");
  CLI11_PARSE(app, argc, argv);
  if (file_sd) {
    std::cout << kvmx::bench::targets(fleet, addresses);
    return EXIT_SUCCESS;
  }
  return kvmx::bench::serve(fleet, *kvmx::per_vcpu_named(per_vcpu), addresses);
}
