// SPDX-License-Identifier: Apache-2.0
//
// One round: the VMs, their vCPUs and the threads, from creation to end.
#ifndef KVMX_GUEST_SESSION_H
#define KVMX_GUEST_SESSION_H

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "options.h"
#include "schedule.h"
#include "vcpu.h"
#include "vm.h"

namespace kvmx::guest {

class Session {
 public:
  // Creates everything, vCPUs that --stagger delays excepted; nothing runs yet.
  Session(const Kvm& kvm, const Options& options);

  // Until every vCPU has ended.  `signal_fd` readable means: stop early.
  void run(int signal_fd);

  struct VmState {
    std::unique_ptr<Vm> vm;
    std::vector<std::unique_ptr<Vcpu>> vcpus;
  };
  [[nodiscard]] const std::vector<VmState>& vms() const { return vms_; }
  // The thread that runs the vCPU first.
  [[nodiscard]] pid_t first_tid(std::size_t vm, std::size_t vcpu) const;

 private:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] Schedule::Plan plan() const;
  [[nodiscard]] std::size_t total_vcpus() const;
  void pulse_lines(const Vm& vm) const;
  void add_next_vcpu();
  void add_due_vcpus();
  void begin_stop();
  [[nodiscard]] std::optional<Clock::time_point> next_event() const;

  const Kvm& kvm_;
  const Options& options_;
  // Threads go before the vCPUs they run, vCPUs before their VMs.
  std::vector<VmState> vms_;
  std::size_t added_ = 0;
  Clock::time_point start_;
  std::optional<Clock::time_point> stop_at_;
  std::optional<Clock::time_point> kick_at_;
  bool stopping_ = false;
  std::unique_ptr<Schedule> schedule_;
};

}  // namespace kvmx::guest

#endif
