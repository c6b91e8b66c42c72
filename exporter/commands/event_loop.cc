// SPDX-License-Identifier: Apache-2.0
#include "exporter/commands/event_loop.h"

#include <malloc.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>

#include "exporter/base/log.h"
#include "exporter/base/service_manager.h"
#include "exporter/base/unique_fd.h"

namespace kvmx {
namespace {

/// What others make us wake up for (new vCPUs) is done at once, the rest no more often than this.
constexpr std::chrono::milliseconds kRestEvery(500);

/// What is free of the heap goes back to the kernel so often, also where something in use lies
/// above: else it would keep the size that it once had when many VMs came and went.
constexpr std::chrono::minutes kTrimEvery(1);

/// What the loop woke up for; nothing: a second has passed, or a vCPU is new.
enum class Wakeup { none, reload, end };

Wakeup wait(const UniqueFd& signal_fd, int new_vcpus_fd, std::chrono::milliseconds longest) {
  std::array<pollfd, 2> waited = {pollfd{signal_fd.get(), POLLIN, 0},
                                  pollfd{new_vcpus_fd, POLLIN, 0}};
  ::poll(waited.data(), waited.size(), static_cast<int>(longest.count()));
  signalfd_siginfo signal{};
  if (waited[0].revents == 0 || ::read(signal_fd.get(), &signal, sizeof(signal)) != sizeof(signal))
    return Wakeup::none;
  return signal.ssi_signo == SIGHUP ? Wakeup::reload : Wakeup::end;
}

/// From then on snapshots come and go, of some megabytes on a big host: what one gives back is for
/// the next, not for the kernel, which would have to clear it again each second.
void keep_heap() {
  constexpr int kKept = 16 << 20;
  ::mallopt(M_MMAP_THRESHOLD, kKept);
  ::mallopt(M_TRIM_THRESHOLD, kKept);
}

}  // namespace

sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGHUP, SIGINT, SIGTERM}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

Result<void> run_event_loop(Exporter& exporter, WebServer& server, const sigset_t& signals,
                            Sandbox* sandbox) {
  const UniqueFd signal_fd(::signalfd(-1, &signals, SFD_CLOEXEC));
  if (!signal_fd) return errno_error("make a signalfd", errno);
  bool was_attached = false;
  bool entered = sandbox == nullptr;
  std::chrono::steady_clock::time_point rest_done;
  std::chrono::steady_clock::time_point trimmed = std::chrono::steady_clock::now();
  if (!exporter.attached()) service_manager::ready("waiting for KVM to be loaded");
  for (;;) {
    if (!entered && exporter.attached() && exporter.settled()) {
      sandbox->enter();
      entered = true;
    }
    if (!was_attached && exporter.attached()) {
      was_attached = true;
      keep_heap();
      service_manager::ready("counting KVM events");
    }
    const Wakeup wakeup = wait(signal_fd, exporter.wake_fd(), exporter.housekeeping_wait());
    if (wakeup == Wakeup::end) {
      spdlog::info("told to end by a signal");
      service_manager::stopping();
      return {};
    }
    exporter.housekeep();
    const auto now = std::chrono::steady_clock::now();
    if (wakeup != Wakeup::reload && now - rest_done < kRestEvery) continue;
    rest_done = now;
    if (const auto attached = exporter.attach(); !attached)
      spdlog::error("{}", attached.error().message);
    server.housekeep(wakeup == Wakeup::reload);
    if (now - trimmed >= kTrimEvery) {
      trimmed = now;
      ::malloc_trim(0);
    }
    service_manager::alive();
  }
}

}  // namespace kvmx
