// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "bpf/listed_thread.h"
#include "exporter/base/vm_key.h"
#include "exporter/counts/vm_counts.h"
#include "exporter/kernel/listed_vcpus.h"

namespace kvmx {

/// CPU times of VMs from listings of threads, so that none ever steps back: each listing adds what
/// every thread has had since the one before. A thread that ends keeps what it had; what it had
/// after its last listing is told by the kernel's sum for its process, and counts for the VMM.
///
/// The threads of a process that do not run vCPUs count for the first of its VMs.
class CpuTimes {
 public:
  /// Takes a listing, in order of thread ids. `vms`: what was counted up to then, in order of keys;
  /// it says which threads run vCPUs. `listing`: the vCPUs that exist. Other VMs are forgotten.
  void observe(std::span<const listed_thread> threads, std::span<const VmCounts> vms,
               const VcpuListing& listing);

  /// Sets the CPU times of `vms`, totals included.
  void fill(std::span<VmCounts> vms) const;

 private:
  struct VcpuTimes {
    std::uint64_t cpu_ns = 0;
    std::uint64_t run_delay_ns = 0;
  };
  struct OfVm {
    std::array<std::uint64_t, kThreadKinds> cpu_ns{};
    std::map<std::optional<std::uint32_t>, VcpuTimes> vcpus;  ///< by id
  };
  using Process = std::pair<std::uint32_t, std::uint64_t>;  ///< tgid and start
  struct OfProcess {
    VmKey vm{};                    ///< the first of its VMs
    std::uint64_t counted_ns = 0;  ///< what its ended threads had when they were last listed
    std::uint64_t rest_ns = 0;     ///< what they had after that, as far as it was added
    std::uint64_t ended_ns = 0;    ///< in the last listing: the kernel's sum of its ended threads
  };
  struct Role {
    std::uint32_t tid;
    VmKey vm;
    ThreadKind kind = ThreadKind::vmm;
    std::optional<std::uint32_t> vcpu{};  ///< id; nothing too for one that is not known
  };
  using Roles = std::vector<Role>;  ///< in order of thread ids

  static Roles roles_of(std::span<const VmCounts> vms, const VcpuListing& listing);
  void follow(std::span<const VmCounts> vms);
  [[nodiscard]] std::optional<Role> role_of(const listed_thread& thread, const Roles& roles,
                                            std::span<const listed_thread> threads) const;
  void add(const Role& role, std::uint64_t cpu_ns, std::uint64_t run_delay_ns);
  void settle_ended(std::span<const listed_thread> now);

  std::map<VmKey, OfVm> vms_;
  std::map<Process, OfProcess> processes_;
  std::vector<listed_thread> last_;  ///< the listing before, in order of thread ids
};

}  // namespace kvmx
