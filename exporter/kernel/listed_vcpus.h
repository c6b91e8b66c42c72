// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/listed_vcpu.h"
#include "exporter/base/vm_key.h"

namespace kvmx {

/// A vCPU that exists, whether or not it ever ran.
struct ListedVcpu {
  std::uint32_t tgid = 0;            ///< its process
  std::uint64_t start_ns = 0;        ///< start of that process, ns since boot
  std::uint64_t kvm = 0;             ///< its VM; 0 where the kernel has no BTF of KVM
  std::uint32_t id = 0;              ///< KVM's
  std::string comm;                  ///< name of the process
  bool asleep = false;               ///< halted and asleep; false too where that is not known
  std::uint64_t poll_failed_ns = 0;  ///< polled for wake-ups that did not come, since its creation
  std::uint32_t pit_tid = 0;  ///< the kernel's thread for its VM's timer chip; 0: none, unknown

  [[nodiscard]] VmKey vm() const { return {tgid, start_ns, kvm}; }
};

/// The vCPUs that existed at some time after `asked`.
struct VcpuListing {
  std::chrono::steady_clock::time_point asked;  ///< CLOCK_MONOTONIC
  std::vector<ListedVcpu> vcpus;                ///< by process, VM and id

  /// Nothing if it is not listed, or if that does not say whether it is asleep.
  [[nodiscard]] std::optional<bool> asleep(const VmKey& vm, std::uint32_t id) const;

  /// Leaves out the vCPUs of VMs, sorted, that are known to have ended since.
  void leave_out(std::span<const VmKey> vms);
};

/// The id in what KVM calls a vCPU's descriptor, "kvm-vcpu:ID"; nothing if it is none.
std::optional<std::uint32_t> listed_vcpu_id(std::string_view name);

/// The vCPUs of a list as the kernel's side writes it: each once, in order of process, VM and id.
std::vector<ListedVcpu> listed_vcpus(std::span<const listed_vcpu> records);

}  // namespace kvmx
