// SPDX-License-Identifier: Apache-2.0
//
// /dev/kvm and a virtual machine on it.
#ifndef KVMX_GUEST_VM_H
#define KVMX_GUEST_VM_H

#include <linux/kvm.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "handles.h"
#include "memory.h"

namespace kvmx::guest {

// An open /dev/kvm that can do what our guests need.
class Kvm {
 public:
  Kvm();

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] std::size_t run_size() const { return run_size_; }
  [[nodiscard]] unsigned max_vcpus() const { return max_vcpus_; }
  // What KVM supports, with x2APIC and the deadline timer switched on.
  [[nodiscard]] const std::vector<kvm_cpuid_entry2>& cpuid() const { return cpuid_; }

 private:
  UniqueFd fd_;
  std::size_t run_size_;
  unsigned max_vcpus_;
  std::vector<kvm_cpuid_entry2> cpuid_;
};

// A VM with an in-kernel interrupt controller and its memory.  vCPUs are made
// by Vcpu.
class Vm {
 public:
  Vm(const Kvm& kvm, unsigned vcpus, std::size_t pool_size);

  // Makes a vCPU that never runs.
  void park_vcpu(unsigned id);
  // Accesses to MSRs that KVM does not know leave to the VMM.
  void ask_for_unknown_msrs() const;

  // Raises and lowers an interrupt line that the guest has masked.
  void pulse_irq(std::uint32_t line) const;

  // An eventfd whose every write pulses the line.
  [[nodiscard]] UniqueFd line_fd(std::uint32_t line) const;

  // KVM's timer chip, which pulses line 0, whether or not the guest listens.
  void start_pit(std::uint64_t hz) const;

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const GuestMemory& memory() const { return memory_; }

 private:
  // Before the fd: KVM lets go of the memory first.
  GuestMemory memory_;
  UniqueFd fd_;
  std::vector<UniqueFd> parked_;
};

}  // namespace kvmx::guest

#endif
