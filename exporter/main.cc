// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>
#include <poll.h>
#include <sys/signalfd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <utility>
#include <variant>

#include "exporter/base/log.h"
#include "exporter/base/service_manager.h"
#include "exporter/base/unique_fd.h"
#include "exporter/base/version.h"
#include "exporter/exporter.h"
#include "exporter/kernel/host.h"
#include "exporter/kernel/libbpf_log.h"
#include "exporter/kernel/pin_directory.h"
#include "exporter/metrics/collectors.h"
#include "exporter/options.h"
#include "exporter/sandbox/capabilities.h"
#include "exporter/sandbox/sandbox.h"
#include "exporter/snapshot/vm_rates.h"
#include "exporter/web/landing_page.h"
#include "exporter/web/policy.h"
#include "exporter/web/scraper.h"
#include "exporter/web/server.h"

namespace {

using kvmx::Exporter;
using kvmx::Options;
using kvmx::Request;
using kvmx::Response;
using kvmx::Scraper;
using kvmx::VmRates;
using kvmx::WebServer;

constexpr std::size_t kBusiest = 10;

kvmx::Routes routes(Exporter& exporter, Scraper& scraper, const VmRates& rates,
                    const Options& options) {
  return {
      {options.telemetry_path,
       [&scraper](const Request& request) { return scraper.scrape(request); }},
      {"/-/healthy", [](const Request&) { return Response{.body = "healthy\n"}; }},
      {"/-/ready",
       [&exporter](const Request&) {
         return exporter.ready() ? Response{.body = "ready\n"}
                                 : Response{.status = 503, .body = "starting\n"};
       }},
      {"/",
       [&exporter, &rates, path = options.telemetry_path](const Request&) {
         return Response{
             .content_type = "text/html; charset=utf-8",
             .body = kvmx::landing_page(*exporter.snapshot(), rates.busiest(kBusiest), path)};
       }},
  };
}

kvmx::CollectorSet enabled_collectors(const Options& options) {
  kvmx::CollectorSet enabled;
  enabled.set();
  for (std::size_t i = 0; i < kvmx::kEvents.size(); ++i)
    if (!options.collectors[i]) enabled &= ~*kvmx::collector_named(kvmx::kEvents[i].collector);
  if (options.other_events.empty()) enabled &= ~*kvmx::collector_named("events");
  return enabled;
}

/// Signals that mean something here. To be blocked before any thread is made, so that all of them
/// leave these to run_until_told_to_end().
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGHUP, SIGINT, SIGTERM}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

/// Once: when KVM's events are attached to. While KVM is not loaded privileges are kept, for
/// attaching later takes them.
void on_attached(bool sandbox) {
  if (sandbox) kvmx::enter_sandbox();
  kvmx::service_manager::ready("counting KVM events");
}

/// For the threads of the web server: they need none from the first.
void give_up_capabilities() {
  if (const auto dropped = kvmx::drop_capabilities(); !dropped)
    spdlog::warn("{}", dropped.error().message);
}

/// Keeps house, once a second and for every new vCPU, until a signal tells the process to end.
void run_until_told_to_end(Exporter& exporter, VmRates& rates, WebServer& server,
                           const sigset_t& signals, bool sandbox) {
  const kvmx::UniqueFd signal_fd(::signalfd(-1, &signals, SFD_CLOEXEC));
  bool told = false;  // of the attaching
  if (!exporter.attached()) kvmx::service_manager::ready("waiting for KVM to be loaded");
  for (;;) {
    if (!told && exporter.attached()) {
      on_attached(sandbox);
      told = true;
    }
    kvmx::service_manager::alive();
    std::array<pollfd, 2> waited = {pollfd{signal_fd.get(), POLLIN, 0},
                                    pollfd{exporter.wake_fd(), POLLIN, 0}};
    ::poll(waited.data(), waited.size(), 1000);
    bool reload = false;
    if (waited[0].revents != 0) {
      signalfd_siginfo signal{};
      if (::read(signal_fd.get(), &signal, sizeof(signal)) != sizeof(signal)) continue;
      reload = signal.ssi_signo == SIGHUP;
      if (!reload) {
        spdlog::info("told to end by a signal");
        kvmx::service_manager::stopping();
        return;
      }
    }
    if (const auto attached = exporter.attach(); !attached)
      spdlog::error("{}", attached.error().message);
    exporter.housekeep();
    rates.record(*exporter.snapshot());
    server.housekeep(reload);
  }
}

kvmx::ServerOptions server_options(const Options& options) {
  // Besides scrapes, some connections wait for their next request; with no limit, a number that is
  // many and yet bounded.
  constexpr std::size_t kWaiting = 24;
  constexpr std::size_t kUnlimited = 128;
  return {options.listen_addresses,
          options.max_requests == 0 ? kUnlimited : options.max_requests + kWaiting,
          options.sandbox ? give_up_capabilities : nullptr};
}

int fail(const kvmx::Error& error) {
  spdlog::error("{}", error.message);
  return EXIT_FAILURE;
}

/// Does what --bpf.unpin asks for.
int unpin(const std::string& directory) {
  const auto pins = kvmx::PinDirectory::open(directory);
  if (!pins) return fail(pins.error());
  const auto removed = pins->remove_all();
  if (!removed) return fail(removed.error());
  spdlog::info("{}: {} pinned sets removed", directory, *removed);
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  const auto parsed = kvmx::parse_options(argc, argv);
  if (const auto* exit = std::get_if<kvmx::ExitCode>(&parsed)) return exit->code;
  const auto& options = std::get<Options>(parsed);
  kvmx::start_log(options.log_level,
                  options.log_format == "json" ? kvmx::LogFormat::json : kvmx::LogFormat::logfmt);
  spdlog::info("kvm_exit_exporter {} (revision {})", kvmx::kVersion, kvmx::kRevision);
  if (const auto raised = kvmx::raise_capabilities(); !raised)
    spdlog::warn("{}: this process may lack privileges", raised.error().message);
  if (options.unpin) return unpin(options.pin_dir);
  const sigset_t signals = block_signals();
  // A snapshot is made by the thread that needs it first and dropped by another. With a heap for
  // each thread, what is freed in one would be of no use to the next.
  ::mallopt(M_ARENA_MAX, 1);
  // Megabytes are needed only while BPF programs are loaded. They go back to the kernel if malloc
  // does not get used to them.
  ::mallopt(M_MMAP_THRESHOLD, 128 * 1024);

  kvmx::route_libbpf_log();
  if (!kvmx::in_initial_pid_namespace())
    spdlog::warn(
        "this is not the host's pid namespace: VMs cannot be told by name, and all of them look "
        "ended. Run with the host's (hostPID: true, docker run --pid=host)");
  if (kvmx::proc_is_hidden())
    spdlog::warn(
        "/proc hides the processes of others (hidepid): VMs cannot be told by name. Mount it with "
        "gid=GROUP, and run the exporter in that group");
  Exporter exporter({options.collectors, options.other_events, options.max_vcpus,
                     options.scrape_min_interval, options.vm_linger, options.vm_filter,
                     options.pin_dir});
  Scraper scraper([&exporter] { return exporter.snapshot(); }, options.max_requests,
                  {.collectors = enabled_collectors(options), .per_vcpu = options.per_vcpu});
  VmRates rates;
  auto policy = kvmx::PolicyFile::open(options.web_config_file);
  if (!policy) return fail(policy.error());
  // Served before anything is loaded: a taken address is found out at once, and for nothing.
  auto server = WebServer::start(server_options(options), routes(exporter, scraper, rates, options),
                                 std::move(*policy));
  if (!server) return fail(server.error());
  if (const auto attached = exporter.attach(); !attached) return fail(attached.error());
  for (const std::string& address : options.listen_addresses)
    spdlog::info("serving {} on {}", options.telemetry_path, address);
  run_until_told_to_end(exporter, rates, *server, signals, options.sandbox);
  return EXIT_SUCCESS;
}
