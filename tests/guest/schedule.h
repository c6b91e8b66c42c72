// SPDX-License-Identifier: Apache-2.0
//
// Which thread runs which vCPU, when.
#ifndef KVMX_GUEST_SCHEDULE_H
#define KVMX_GUEST_SCHEDULE_H

#include <sys/types.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "handles.h"
#include "vcpu.h"

namespace kvmx::guest {

// Worker threads, each with a queue of vCPUs.  A worker takes the first, runs
// it for a slice, and hands it to the back of its own queue or, if vCPUs
// rotate, of the next worker's.  So one plan covers a thread for each vCPU, one
// thread for all of them, and vCPUs that wander over threads.
class Schedule {
 public:
  struct Plan {
    std::vector<std::string> thread_names;  // one a worker; empty: as the process
    std::uint64_t slice = 0;                // KVM_RUN returns; 0: until the vCPU ends
    bool rotate = false;
  };

  // Starts the threads; they run nothing before go().
  explicit Schedule(const Plan& plan);
  ~Schedule();  // kicks every vCPU out and joins
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;

  void add(Vcpu& vcpu, std::size_t worker);
  void go();
  void request_stop();
  void kick();

  // All added vCPUs have ended, or one failed.  When that next becomes true
  // after the call, event_fd() becomes readable.
  [[nodiscard]] bool idle();
  [[nodiscard]] int event_fd() const { return event_.get(); }
  void rethrow_failure() const;

  [[nodiscard]] pid_t tid(std::size_t worker) const { return workers_[worker]->tid; }

 private:
  struct Worker {
    std::deque<Vcpu*> queue;
    std::condition_variable wake;
    pid_t tid = 0;
    std::thread thread;
  };

  void work(std::size_t index, const std::string& name);
  Vcpu* take(Worker& worker);
  void give_back(std::size_t index, Vcpu* vcpu, bool ended);
  void fail(const std::exception_ptr& failure);

  std::uint64_t slice_;
  bool rotate_;
  UniqueFd event_;
  mutable std::mutex mutex_;
  std::condition_variable started_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Vcpu*> vcpus_;
  std::size_t running_ = 0;  // vCPUs that have not ended
  bool going_ = false;
  bool quit_ = false;
  std::exception_ptr failure_;
};

}  // namespace kvmx::guest

#endif
