// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>

#include <utility>

#include "exporter/base/log.h"
#include "exporter/commands/commands.h"
#include "exporter/commands/event_loop.h"
#include "exporter/kernel/host.h"
#include "exporter/kernel/libbpf_log.h"
#include "exporter/metrics/collectors.h"
#include "exporter/sandbox/capabilities.h"
#include "exporter/web/landing_page.h"
#include "exporter/web/metrics_handler.h"
#include "exporter/web/tls/active_web_config.h"

namespace kvmx {
namespace {

/// VMs in the landing page's table.
constexpr std::size_t kBusiest = 10;

Routes routes(Exporter& exporter, MetricsHandler& metrics, const VmRates& rates,
              const Options& options) {
  return {
      {options.telemetry_path,
       [&metrics](const Request& request) { return metrics.answer(request); }},
      {"/-/healthy", [](const Request&) { return Response{.body = "healthy\n"}; }},
      {"/-/ready",
       [&exporter](const Request&) {
         return exporter.ready() ? Response{.body = "ready\n"}
                                 : Response{.status = 503, .body = "starting\n"};
       }},
      {"/",
       [&exporter, &rates, path = options.telemetry_path](const Request&) {
         return Response{.content_type = "text/html; charset=utf-8",
                         .body = landing_page(*exporter.snapshot(), rates.busiest(kBusiest), path)};
       }},
  };
}

CollectorSet enabled_collectors(const Options& options) {
  CollectorSet enabled;
  enabled.set();
  for (std::size_t i = 0; i < kEvents.size(); ++i)
    if (!options.collectors[i]) enabled &= ~*collector_named(kEvents[i].collector);
  if (options.other_events.empty()) enabled &= ~*collector_named("events");
  return enabled;
}

/// For the threads of the web server, which need no capabilities from the first.
void give_up_capabilities() {
  if (const auto dropped = drop_capabilities(); !dropped)
    spdlog::warn("{}", dropped.error().message);
}

ServerOptions server_options(const Options& options) {
  // Besides scrapes, some connections wait for their next request; with no limit, a number that is
  // many and yet bounded.
  constexpr std::size_t kWaiting = 24;
  constexpr std::size_t kUnlimited = 128;
  return {options.listen_addresses,
          options.max_requests == 0 ? kUnlimited : options.max_requests + kWaiting,
          options.sandbox ? give_up_capabilities : nullptr};
}

void set_up_heap() {
  // A snapshot is made by the thread that needs it first and dropped by another. With a heap for
  // each thread, what is freed in one would be of no use to the next.
  ::mallopt(M_ARENA_MAX, 1);
  // Megabytes are needed only while BPF programs are loaded. They go back to the kernel if malloc
  // does not get used to them.
  ::mallopt(M_MMAP_THRESHOLD, 128 * 1024);
}

void warn_of_missing_processes() {
  if (!in_initial_pid_namespace())
    spdlog::warn(
        "this is not the host's pid namespace: VMs cannot be told by name, and all of them look "
        "ended. Run with the host's (hostPID: true, docker run --pid=host)");
  if (proc_is_hidden())
    spdlog::warn(
        "/proc hides the processes of others (hidepid): VMs cannot be told by name. Mount it with "
        "gid=GROUP, and run the exporter in that group");
}

}  // namespace

Result<void> serve(const Options& options) {
  const sigset_t signals = block_signals();
  set_up_heap();
  route_libbpf_log();
  warn_of_missing_processes();
  Exporter exporter({options.collectors, options.other_events, options.max_vcpus,
                     options.scrape_min_interval, options.vm_linger, options.vm_filter,
                     options.pin_dir});
  MetricsHandler metrics([&exporter] { return exporter.snapshot(); }, options.max_requests,
                         {.collectors = enabled_collectors(options), .per_vcpu = options.per_vcpu});
  VmRates rates;
  auto web_config = WebConfigWatcher::open(options.web_config_file);
  if (!web_config) return web_config.error();
  // Served before anything is loaded: a taken address is found out at once, and for nothing.
  auto server = WebServer::start(server_options(options), routes(exporter, metrics, rates, options),
                                 std::move(*web_config));
  if (!server) return server.error();
  if (const auto attached = exporter.attach(); !attached) return attached;
  for (const std::string& address : options.listen_addresses)
    spdlog::info("serving {} on {}", options.telemetry_path, address);
  run_event_loop(exporter, rates, *server, signals, options.sandbox);
  return {};
}

}  // namespace kvmx
