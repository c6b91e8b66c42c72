// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <thread>

#include "exporter/base/file.h"
#include "exporter/base/log.h"
#include "exporter/base/unique_fd.h"
#include "exporter/commands/commands.h"
#include "exporter/commands/local_source.h"
#include "exporter/kernel/libbpf_log.h"
#include "exporter/summary/json.h"
#include "exporter/top/keys.h"
#include "exporter/top/plain.h"
#include "exporter/top/screen.h"
#include "exporter/top/terminal.h"

namespace kvmx {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kDefaultUrl = "http://127.0.0.1:10177";
constexpr std::chrono::seconds kEvery(1);

Result<std::unique_ptr<SummarySource>> count_locally(const Options& options) {
  route_libbpf_log();
  auto local = LocalSource::start({options.collectors,
                                   options.other_events,
                                   options.max_vcpus,
                                   kEvery,
                                   options.vm_linger,
                                   options.vm_filter,
                                   {}});
  if (!local) return local.error();
  return std::unique_ptr<SummarySource>(std::move(*local));
}

Result<HttpClient> http_client(const TopOptions& options) {
  HttpClient client{.user = options.user, .password = {}, .ca_file = options.ca_file};
  if (options.password_file.empty()) return client;
  const std::optional<std::string> line = read_line(options.password_file);
  if (!line) return errno_error("read --password-file=" + options.password_file, errno);
  client.password = *line;
  return client;
}

/// An exporter that runs, or this host; and what is to be seen there now.
struct Opened {
  std::unique_ptr<SummarySource> source;
  HostSummary summary;
};

Result<Opened> open_local(const Options& options) {
  auto local = count_locally(options);
  if (!local) return local.error();
  Result<HostSummary> summary = (*local)->read();
  if (!summary) return summary.error();
  return Opened{std::move(*local), std::move(*summary)};
}

Result<Opened> open_source(const Options& options) {
  const TopOptions& top = options.top;
  if (top.local) return open_local(options);
  const std::string name = top.url.empty() ? kDefaultUrl : top.url;
  Result<Url> url = parse_url(name);
  if (!url) return url.error();
  Result<HttpClient> client = http_client(top);
  if (!client) return client.error();
  auto remote = std::make_unique<RemoteSource>(name, std::move(*url), std::move(*client));
  Result<HostSummary> summary = remote->read();
  if (summary) return Opened{std::move(remote), std::move(*summary)};
  if (!top.url.empty())
    return remote->refused() ? Error{summary.error().message + ". Is an exporter running there?"}
                             : summary.error();
  if (!remote->refused())
    return Error{summary.error().message +
                 ". If the exporter is elsewhere, or serves TLS: --url=URL; --local counts without "
                 "one"};
  if (::geteuid() == 0) return open_local(options);
  return Error{"no exporter answers on " + name +
               ": give --url=URL of one, or run this as root, which counts without one"};
}

/// Guests that are watched from now on have rates in ten seconds.
void wait_for_rates(Opened& opened) {
  constexpr std::chrono::seconds kPatience(12);
  const Clock::time_point begin = Clock::now();
  while (opened.source->is_new() && !opened.summary.watched() && Clock::now() - begin < kPatience) {
    std::this_thread::sleep_for(kEvery);
    if (Result<HostSummary> next = opened.source->read()) opened.summary = std::move(*next);
  }
}

void print_once(Opened& opened, const TopOptions& options, const View& view, bool utf8) {
  if (opened.source->is_new() && ::isatty(STDERR_FILENO) != 0)
    std::fputs("Counting for ten seconds ...\n", stderr);
  wait_for_rates(opened);
  const std::string text =
      options.json ? to_json(opened.summary) : plain_text(opened.summary, view, utf8);
  std::fwrite(text.data(), 1, text.size(), stdout);
}

UniqueFd open_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return UniqueFd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

/// Whether a signal wants this to end. A new size is taken at the next picture.
bool told_to_end(const UniqueFd& signals) {
  signalfd_siginfo signal{};
  while (::read(signals.get(), &signal, sizeof(signal)) == sizeof(signal))
    if (signal.ssi_signo != SIGWINCH) return true;
  return false;
}

Result<void> show_live(Opened& opened, View view, bool utf8) {
  const UniqueFd signals = open_signals();
  if (!signals) return errno_error("make a signalfd", errno);
  spdlog::set_level(spdlog::level::off);  // it would be written over the picture
  Terminal terminal;
  Surroundings around{.source = opened.source->name(), .error = {}, .utf8 = utf8};
  Clock::time_point next = Clock::now() + kEvery;
  for (;;) {
    const Screen screen = lay_out(opened.summary, around, screen_size(), view);
    terminal.draw(screen.lines);
    std::array<pollfd, 2> waited = {pollfd{STDIN_FILENO, POLLIN, 0},
                                    pollfd{signals.get(), POLLIN, 0}};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
    ::poll(waited.data(), waited.size(), static_cast<int>(std::max<long>(left.count(), 0)));
    if (waited[1].revents != 0 && told_to_end(signals)) return {};
    if (waited[0].revents != 0) {
      const std::optional<std::string> typed = terminal.read();
      if (!typed) return {};
      for (const Key& key : decode_keys(*typed))
        if (press(key, screen.page, view) == Wish::quit) return {};
    }
    if (Clock::now() < next) continue;
    next = Clock::now() + kEvery;
    Result<HostSummary> summary = opened.source->read();
    around.error = summary ? "" : "These numbers are old. " + summary.error().message;
    if (summary) opened.summary = std::move(*summary);
  }
}

}  // namespace

Result<void> top(const Options& options) {
  const bool utf8 = takes_utf8();  // reads files of the locale, which local counting gives up
  Result<Opened> opened = open_source(options);
  if (!opened) return opened.error();
  View view;
  view.sort = options.top.sort;
  view.filter = options.top.filter;
  if (!options.top.once && !options.top.json && has_screen()) return show_live(*opened, view, utf8);
  print_once(*opened, options.top, view, utf8);
  return {};
}

}  // namespace kvmx
