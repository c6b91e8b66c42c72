// SPDX-License-Identifier: Apache-2.0
#include "session.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <string>
#include <thread>

#include "error.h"

namespace kvmx::guest {
namespace {

// How long a program may take to see that it is to stop.
constexpr std::chrono::seconds kGrace{2};

int milliseconds_until(std::optional<std::chrono::steady_clock::time_point> when) {
  if (!when) return -1;
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(*when - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
}

}  // namespace

Session::Session(const Kvm& kvm, const Options& options) : kvm_(kvm), options_(options) {
  if (options.vcpus + options.parked > kvm.max_vcpus()) {
    throw Error("this KVM allows " + std::to_string(kvm.max_vcpus()) +
                " vCPUs a VM; ask for fewer");
  }
  const std::size_t pool = pool_size(*options.program, options.parameters);
  for (unsigned i = 0; i < options.vms; ++i) {
    vms_.emplace_back().vm = std::make_unique<Vm>(kvm, options.vcpus, pool);
    if (options.answer_msrs) vms_.back().vm->ask_for_unknown_msrs();
    for (unsigned n = 0; n < options.parked; ++n) vms_.back().vm->park_vcpu(options.vcpus + n);
  }
  schedule_ = std::make_unique<Schedule>(plan());
  const std::size_t at_once = options.stagger.count() == 0 ? total_vcpus() : 1;
  while (added_ < at_once) add_next_vcpu();
}

std::size_t Session::total_vcpus() const { return std::size_t{options_.vms} * options_.vcpus; }

Schedule::Plan Session::plan() const {
  Schedule::Plan plan;
  std::size_t workers = total_vcpus();
  if (options_.one_thread) {
    workers = 1;
    plan.slice = 1;
  } else if (options_.swap_every != 0) {
    workers = std::max<std::size_t>(workers, 2);  // even a single vCPU is to wander
    plan.slice = options_.swap_every;
    plan.rotate = true;
  }
  for (std::size_t i = 0; i < workers; ++i) {
    plan.thread_names.push_back(
        options_.looks_like_qemu ? "CPU " + std::to_string(i % options_.vcpus) + "/KVM" : "");
  }
  return plan;
}

void Session::add_next_vcpu() {
  VmState& state = vms_[added_ / options_.vcpus];
  const auto id = static_cast<unsigned>(added_ % options_.vcpus);
  state.vcpus.push_back(
      std::make_unique<Vcpu>(kvm_, *state.vm, id, added_, *options_.program, options_.parameters));
  schedule_->add(*state.vcpus.back(), options_.one_thread ? 0 : added_);
  ++added_;
}

pid_t Session::first_tid(std::size_t vm, std::size_t vcpu) const {
  return schedule_->tid(options_.one_thread ? 0 : vm * options_.vcpus + vcpu);
}

void Session::add_due_vcpus() {
  while (!stopping_ && added_ < total_vcpus() &&
         Clock::now() >= start_ + options_.stagger * static_cast<std::int64_t>(added_)) {
    add_next_vcpu();
  }
}

void Session::begin_stop() {
  if (stopping_) return;
  stopping_ = true;
  stop_at_.reset();
  schedule_->request_stop();
  kick_at_ = Clock::now();
  if (options_.program->stops) *kick_at_ += kGrace;
}

std::optional<Session::Clock::time_point> Session::next_event() const {
  auto next = stopping_ ? kick_at_ : stop_at_;
  if (!stopping_ && added_ < total_vcpus()) {
    const auto due = start_ + options_.stagger * static_cast<std::int64_t>(added_);
    next = next ? std::min(*next, due) : due;
  }
  return next;
}

void Session::pulse_lines(const Vm& vm) const {
  constexpr std::chrono::milliseconds pause{2};
  const UniqueFd by_eventfd = vm.line_fd(10);
  for (std::uint64_t i = 0; i < options_.lines; ++i) {
    for (const std::uint32_t line : {4U, 11U, 30U}) vm.pulse_irq(line);
    ::eventfd_write(by_eventfd.get(), 1);
    std::this_thread::sleep_for(pause);
  }
}

void Session::run(int signal_fd) {
  start_ = Clock::now();
  if (options_.duration.count() > 0) {
    stop_at_ = start_ + std::chrono::duration_cast<Clock::duration>(options_.duration);
  }
  for (const VmState& state : vms_)
    if (options_.pit_hz != 0) state.vm->start_pit(options_.pit_hz);
  for (std::uint64_t i = 0; i < options_.irqs; ++i) {
    for (const VmState& state : vms_) state.vm->pulse_irq(5);
  }
  schedule_->go();
  std::vector<std::jthread> devices;
  for (const VmState& state : vms_)
    if (options_.lines != 0) devices.emplace_back([&] { pulse_lines(*state.vm); });
  while (!schedule_->idle() || (!stopping_ && added_ < total_vcpus())) {
    std::array<pollfd, 2> fds{pollfd{signal_fd, POLLIN, 0},
                              pollfd{schedule_->event_fd(), POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), milliseconds_until(next_event())) < 0 && errno != EINTR) {
      throw errno_error("cannot wait for the vCPUs (poll)");
    }
    schedule_->rethrow_failure();
    const bool signalled = (fds[0].revents & POLLIN) != 0;
    if (signalled || (stop_at_ && Clock::now() >= *stop_at_)) begin_stop();
    if (kick_at_ && Clock::now() >= *kick_at_) {
      schedule_->kick();
      kick_at_.reset();
    }
    add_due_vcpus();
    if (signalled) signal_fd = -1;
  }
  schedule_->rethrow_failure();
}

}  // namespace kvmx::guest
