// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <sys/signalfd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <variant>

#include "exporter/base/log.h"
#include "exporter/base/unique_fd.h"
#include "exporter/base/version.h"
#include "exporter/exporter.h"
#include "exporter/exposition/text_writer.h"
#include "exporter/kernel/host.h"
#include "exporter/kernel/libbpf_log.h"
#include "exporter/metrics/page.h"
#include "exporter/options.h"
#include "exporter/web/pages.h"
#include "exporter/web/server.h"

namespace {

using kvmx::Exporter;
using kvmx::Options;
using kvmx::Response;
using kvmx::SelfStats;

/// Renders /metrics and remembers how that went, for the next one to tell.
class Scraper {
 public:
  explicit Scraper(Exporter& exporter) : exporter_(exporter) {}

  Response scrape() {
    const auto began = std::chrono::steady_clock::now();
    SelfStats self = last();
    self.process = kvmx::read_process();
    kvmx::MetricsPage page = kvmx::render_metrics(*exporter_.snapshot(), self);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    const std::lock_guard lock(mutex_);
    last_ = {took.count(), page.series, std::nullopt};
    return {200, std::string(kvmx::content_type(kvmx::Format::text)), std::move(page.text)};
  }

 private:
  SelfStats last() {
    const std::lock_guard lock(mutex_);
    return last_;
  }

  Exporter& exporter_;
  std::mutex mutex_;
  SelfStats last_;
};

kvmx::Routes routes(Exporter& exporter, Scraper& scraper, const Options& options) {
  return {
      {options.telemetry_path, [&scraper] { return scraper.scrape(); }},
      {"/-/healthy", [] { return Response{.body = "healthy\n"}; }},
      {"/-/ready",
       [&exporter] {
         return exporter.ready() ? Response{.body = "ready\n"}
                                 : Response{.status = 503, .body = "starting\n"};
       }},
      {"/",
       [&exporter, path = options.telemetry_path] {
         return Response{200, "text/html; charset=utf-8",
                         kvmx::landing_page(*exporter.snapshot(), path)};
       }},
  };
}

/// Keeps house, once a second and for every new vCPU, until the process is told to end.
void run_until_signal(Exporter& exporter, const sigset_t& signals) {
  const kvmx::UniqueFd ending(::signalfd(-1, &signals, SFD_CLOEXEC));
  for (;;) {
    std::array<pollfd, 2> waited = {pollfd{ending.get(), POLLIN, 0},
                                    pollfd{exporter.wake_fd(), POLLIN, 0}};
    ::poll(waited.data(), waited.size(), 1000);
    if (waited[0].revents != 0) {
      spdlog::info("told to end by a signal");
      return;
    }
    if (const auto attached = exporter.attach(); !attached)
      spdlog::error("{}", attached.error().message);
    exporter.housekeep();
  }
}

int fail(const kvmx::Error& error) {
  spdlog::error("{}", error.message);
  return EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  const auto parsed = kvmx::parse_options(argc, argv);
  if (const auto* exit = std::get_if<kvmx::ExitCode>(&parsed)) return exit->code;
  const auto& options = std::get<Options>(parsed);
  kvmx::start_log(options.log_level);
  spdlog::info("kvm_exit_exporter {} (revision {})", kvmx::kVersion, kvmx::kRevision);

  // Before any thread is made, so that all of them leave these signals to run_until_signal().
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  kvmx::route_libbpf_log();
  if (!kvmx::in_initial_pid_namespace())
    spdlog::warn(
        "this is not the host's pid namespace: VMs cannot be told by name, and all of them look "
        "ended. Run with the host's (hostPID: true, docker run --pid=host)");
  Exporter exporter({options.collectors, options.other_events, options.max_vcpus,
                     options.scrape_min_interval, options.vm_linger});
  Scraper scraper(exporter);
  // Served before anything is loaded: a taken address is found out at once, and for nothing.
  const auto server =
      kvmx::WebServer::start(options.listen_addresses, routes(exporter, scraper, options));
  if (!server) return fail(server.error());
  if (const auto attached = exporter.attach(); !attached) return fail(attached.error());
  for (const std::string& address : options.listen_addresses)
    spdlog::info("serving {} on {}", options.telemetry_path, address);
  run_until_signal(exporter, signals);
  return EXIT_SUCCESS;
}
