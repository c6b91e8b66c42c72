// SPDX-License-Identifier: Apache-2.0
//
// A virtual CPU: its registers, and its runs.
#ifndef KVMX_GUEST_VCPU_H
#define KVMX_GUEST_VCPU_H

#include <linux/kvm.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "handles.h"
#include "program.h"
#include "vm.h"

namespace kvmx::guest {

// How a vCPU's run ended.
enum class Ending { not_yet, program, kicked };

class Vcpu {
 public:
  // Ready to run `program`.  `ordinal` numbers the vCPUs of all VMs.
  Vcpu(const Kvm& kvm, const Vm& vm, unsigned id, std::uint64_t ordinal, const Program& program,
       const ProgramParameters& parameters);

  // Up to `max_returns` KVM_RUNs (0: no limit), on the calling thread.  Says
  // whether the vCPU is through.
  [[nodiscard]] bool run(std::uint64_t max_returns);

  // Any thread: the program is to end after its iteration.
  void request_stop();
  // Any thread: KVM_RUN is to return, and the vCPU with it.  A thread that is
  // in KVM_RUN needs a signal as well.
  void request_kick();

  struct ThreadRuns {
    pid_t tid = 0;
    std::uint64_t runs = 0;
    // Between its first KVM_RUN and the end of its last, by the wall and by the thread's own CPU
    // time; what benchmarks compare.
    std::uint64_t wall_ns = 0;
    std::uint64_t cpu_ns = 0;
  };

  [[nodiscard]] unsigned id() const { return id_; }
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] std::uint64_t tsc_khz() const { return tsc_khz_; }
  [[nodiscard]] Ending ending() const { return ending_; }
  [[nodiscard]] const GuestPage& page() const { return page_; }
  // Accesses that KVM has made, without those that it left to the VMM.
  [[nodiscard]] std::vector<MsrRecord> msr_records() const;
  // Returns of KVM_RUN: by exit reason, or by errno when it failed.
  [[nodiscard]] const std::map<std::string, std::uint64_t>& returns() const { return returns_; }
  [[nodiscard]] const std::vector<ThreadRuns>& threads() const { return threads_; }

 private:
  void set_cpuid(const Kvm& kvm);
  void set_segments(const Program& program);
  void set_registers(const Program& program);
  [[nodiscard]] bool run_on(ThreadRuns& thread, std::uint64_t max_returns);
  void enter();
  void count_return(int error);
  [[nodiscard]] bool handle_exit();
  [[nodiscard]] bool handle_io();
  void answer_msr();
  [[noreturn]] void fail(const std::string& what) const;

  const Vm& vm_;
  unsigned id_;
  UniqueFd fd_;
  Mapping run_;
  GuestPage& page_;
  std::uint64_t tsc_khz_ = 0;
  Ending ending_ = Ending::not_yet;
  std::atomic<bool> kicked_ = false;
  std::map<std::string, std::uint64_t> returns_;
  std::map<std::uint32_t, MsrRecord> answered_;
  std::vector<ThreadRuns> threads_;
};

}  // namespace kvmx::guest

#endif
