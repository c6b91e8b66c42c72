// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <exception>
#include <iostream>
#include <string>
#include <variant>

#include "disguise.h"
#include "error.h"
#include "options.h"
#include "report.h"
#include "session.h"
#include "vm.h"

namespace kvmx::guest {
namespace {

constexpr int kFailure = 1;

// SIGINT and SIGTERM as a readable fd; blocked before there are threads, so
// that none of them is hit.
UniqueFd block_and_watch_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGINT);
  ::sigaddset(&signals, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  UniqueFd fd{::signalfd(-1, &signals, SFD_CLOEXEC)};
  if (!fd) throw errno_error("cannot watch for signals (signalfd)");
  return fd;
}

void print_line(const std::string& line) { std::cout << line << std::endl; }

// Until a line, the end of stdin, or a signal.
void hold(int signal_fd) {
  while (true) {
    std::array<pollfd, 2> fds{pollfd{STDIN_FILENO, POLLIN, 0}, pollfd{signal_fd, POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) {
      throw errno_error("cannot wait for stdin (poll)");
    }
    if (fds[1].revents != 0) return;
    if (fds[0].revents == 0) continue;
    char byte = 0;
    if (::read(STDIN_FILENO, &byte, 1) <= 0 || byte == '\n') return;
  }
}

void run_rounds(const Options& options, int signal_fd) {
  const Kvm kvm;
  for (std::uint64_t round = 0; round < options.repeat; ++round) {
    Session session{kvm, options};
    if (options.hold_before) {
      print_line(ready_line(options, session));
      hold(signal_fd);
    }
    session.run(signal_fd);
    print_line(report_line(options, session));
    if (options.hold_after) hold(signal_fd);
    pollfd signalled{signal_fd, POLLIN, 0};
    if (::poll(&signalled, 1, 0) > 0) return;
  }
}

int run(int argc, char** argv) {
  const int worn = worn_words();
  if (worn > 0 && worn <= argc) {
    set_comm(argv[0]);
    // CLI11 wants a program name first: the disguise's "--" will do.
    argc -= worn - 1;
    argv += worn - 1;
  }
  auto parsed = parse_options(argc, argv);
  if (const int* code = std::get_if<int>(&parsed)) return *code;
  auto& options = std::get<Options>(parsed);
  const auto words = disguise_words(options);
  if (worn == 0 && !words.empty()) put_on(words, argc, argv);
  options.looks_like_qemu = !options.qemu_name.empty();
  const UniqueFd signals = block_and_watch_signals();
  run_rounds(options, signals.get());
  return 0;
}

}  // namespace
}  // namespace kvmx::guest

int main(int argc, char** argv) {
  try {
    return kvmx::guest::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "kvmx-guest: " << error.what() << '\n';
    return kvmx::guest::kFailure;
  }
}
