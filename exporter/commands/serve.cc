// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>

#include <optional>
#include <utility>

#include "bpf/vcpu_slot.h"
#include "exporter/base/descriptors.h"
#include "exporter/base/log.h"
#include "exporter/base/service_manager.h"
#include "exporter/commands/commands.h"
#include "exporter/commands/event_loop.h"
#include "exporter/kernel/host.h"
#include "exporter/kernel/libbpf_log.h"
#include "exporter/metrics/collectors.h"
#include "exporter/sandbox/sandbox.h"
#include "exporter/summary/json.h"
#include "exporter/web/metrics_handler.h"
#include "exporter/web/pages/landing_page.h"
#include "exporter/web/pages/vm_page.h"
#include "exporter/web/tls/active_web_config.h"

namespace kvmx {
namespace {

Routes routes(Exporter& exporter, MetricsHandler& metrics, const Options& options,
              const Sandbox* sandbox) {
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
       [&exporter, sandbox, path = options.telemetry_path](const Request&) {
         return landing_page(*exporter.snapshot(), path,
                             sandbox ? sandbox->status() : "none (--no-sandbox)");
       }},
      {std::string(kSummaryPath),
       [&exporter](const Request&) {
         return Response{.content_type = "application/json",
                         .body = to_json(summarize(*exporter.snapshot()))};
       }},
      {"/vm",
       [&exporter](const Request& request) { return vm_page(*exporter.snapshot(), request); }},
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

/// Threads of the web server. Besides scrapes, some connections wait for their next request; with
/// no limit, a number that is many and yet bounded.
std::size_t server_threads(const Options& options) {
  constexpr std::size_t kWaiting = 24;
  constexpr std::size_t kUnlimited = 128;
  return options.max_requests == 0 ? kUnlimited : options.max_requests + kWaiting;
}

/// Every connection has a descriptor, and there are no more of them than threads, and some that
/// CivetWeb has accepted and that wait for a thread. What is over is for counting, which takes some
/// 40 for programs, maps and links, more for each event of --collector.events, and a few while VMs
/// are identified.
std::size_t needed_descriptors(const Options& options) {
  constexpr std::size_t kAccepted = 24;
  constexpr std::size_t kCounting = 128;
  // A program and its link each; which events there are is not known yet.
  const std::size_t others = options.other_events.empty() ? 0 : 2 * KVMX_EVENTS;
  return kCounting + others + kAccepted + server_threads(options) + options.listen_addresses.size();
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
  if (Result<void> raised = raise_descriptor_limit(needed_descriptors(options)); !raised)
    return raised;
  const sigset_t signals = block_signals();
  set_up_heap();
  route_libbpf_log();
  warn_of_missing_processes();
  Exporter exporter({options.collectors, options.other_events, options.max_vcpus,
                     options.scrape_min_interval, options.vm_linger, options.vm_filter,
                     options.pin_dir});
  MetricsHandler metrics([&exporter] { return exporter.snapshot(); }, options.max_requests,
                         {.collectors = enabled_collectors(options), .per_vcpu = options.per_vcpu});
  auto web_config = WebConfigWatcher::open(options.web_config_file);
  if (!web_config) return web_config.error();
  std::optional<Sandbox> made;
  if (options.sandbox) made.emplace((*web_config)->files());
  Sandbox* const sandbox = made ? &*made : nullptr;
  ServerOptions served{
      options.listen_addresses, options.systemd_socket, server_threads(options), {}};
  if (sandbox) served.on_thread_start = [sandbox] { sandbox->enter_thread(); };
  service_manager::connect();
  // Served before anything is loaded: a taken address is found out at once, and for nothing.
  auto server =
      WebServer::start(served, routes(exporter, metrics, options, sandbox), std::move(*web_config));
  if (!server) return server.error();
  if (auto attached = exporter.attach(); !attached) return attached;
  if (options.systemd_socket)
    spdlog::info("serving {} on the sockets of systemd", options.telemetry_path);
  for (const std::string& address : options.listen_addresses)
    if (!options.systemd_socket) spdlog::info("serving {} on {}", options.telemetry_path, address);
  return run_event_loop(exporter, *server, signals, sandbox);
}

}  // namespace kvmx
