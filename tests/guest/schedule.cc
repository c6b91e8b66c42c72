// SPDX-License-Identifier: Apache-2.0
#include "schedule.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "error.h"

namespace kvmx::guest {
namespace {

constexpr int kKickSignal = SIGUSR1;

// Its arrival is what makes KVM_RUN return; there is nothing else to do.
void install_kick_handler() {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  if (::sigaction(kKickSignal, &action, nullptr) < 0) {
    throw errno_error("cannot install the signal handler that stops vCPUs");
  }
}

}  // namespace

Schedule::Schedule(const Plan& plan)
    : slice_(plan.slice), rotate_(plan.rotate), event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!event_) throw errno_error("cannot create an eventfd");
  install_kick_handler();
  for (std::size_t i = 0; i < plan.thread_names.size(); ++i) {
    workers_.push_back(std::make_unique<Worker>());
  }
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    workers_[i]->thread = std::thread([this, i, name = plan.thread_names[i]] { work(i, name); });
  }
  std::unique_lock lock{mutex_};
  started_.wait(lock, [this] {
    return std::ranges::all_of(workers_, [](const auto& worker) { return worker->tid != 0; });
  });
}

Schedule::~Schedule() {
  {
    const std::lock_guard lock{mutex_};
    quit_ = true;
    for (auto& worker : workers_) worker->wake.notify_all();
  }
  kick();
  for (auto& worker : workers_) worker->thread.join();
}

void Schedule::add(Vcpu& vcpu, std::size_t worker) {
  const std::lock_guard lock{mutex_};
  vcpus_.push_back(&vcpu);
  ++running_;
  workers_[worker]->queue.push_back(&vcpu);
  workers_[worker]->wake.notify_all();
}

void Schedule::go() {
  const std::lock_guard lock{mutex_};
  going_ = true;
  for (auto& worker : workers_) worker->wake.notify_all();
}

void Schedule::request_stop() {
  const std::lock_guard lock{mutex_};
  for (Vcpu* vcpu : vcpus_) vcpu->request_stop();
}

void Schedule::kick() {
  const std::lock_guard lock{mutex_};
  for (Vcpu* vcpu : vcpus_) vcpu->request_kick();
  for (const auto& worker : workers_) ::syscall(SYS_tgkill, ::getpid(), worker->tid, kKickSignal);
}

bool Schedule::idle() {
  const std::lock_guard lock{mutex_};
  eventfd_t told = 0;
  ::eventfd_read(event_.get(), &told);
  return running_ == 0 || failure_ != nullptr;
}

void Schedule::rethrow_failure() const {
  const std::lock_guard lock{mutex_};
  if (failure_ != nullptr) std::rethrow_exception(failure_);
}

void Schedule::work(std::size_t index, const std::string& name) {
  if (!name.empty()) ::prctl(PR_SET_NAME, name.c_str());
  Worker& worker = *workers_[index];
  {
    const std::lock_guard lock{mutex_};
    worker.tid = static_cast<pid_t>(::syscall(SYS_gettid));
    started_.notify_all();
  }
  try {
    while (Vcpu* vcpu = take(worker)) give_back(index, vcpu, vcpu->run(slice_));
  } catch (...) {
    fail(std::current_exception());
  }
}

// nullptr: it is all over.
Vcpu* Schedule::take(Worker& worker) {
  std::unique_lock lock{mutex_};
  worker.wake.wait(lock, [&] { return quit_ || (going_ && !worker.queue.empty()); });
  if (quit_) return nullptr;
  Vcpu* vcpu = worker.queue.front();
  worker.queue.pop_front();
  return vcpu;
}

void Schedule::give_back(std::size_t index, Vcpu* vcpu, bool ended) {
  const std::lock_guard lock{mutex_};
  if (ended) {
    if (--running_ == 0) ::eventfd_write(event_.get(), 1);
    return;
  }
  Worker& next = *workers_[rotate_ ? (index + 1) % workers_.size() : index];
  next.queue.push_back(vcpu);
  next.wake.notify_all();
}

void Schedule::fail(const std::exception_ptr& failure) {
  const std::lock_guard lock{mutex_};
  if (failure_ == nullptr) failure_ = failure;
  ::eventfd_write(event_.get(), 1);
}

}  // namespace kvmx::guest
