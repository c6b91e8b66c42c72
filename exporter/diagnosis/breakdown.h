// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "exporter/counts/vm_counts.h"
#include "exporter/diagnosis/window.h"

namespace kvmx {

/// How often one cause was counted, by the second.
struct CodeRate {
  std::uint32_t code = 0;  ///< as in CodeCounter
  double rate = 0;
};

/// How often a port or a page was accessed, by the second.
struct PlaceRate {
  IoSpace space = IoSpace::port;
  std::optional<std::uint64_t> address;  ///< of the port, or of the page; nothing: "other"
  std::array<double, KVMX_OPS> rates{};  ///< by enum kvmx_op

  [[nodiscard]] double total() const { return rates[KVMX_READ] + rates[KVMX_WRITE]; }
};

/// CPUs that threads of a VM had, by ThreadKind.
using ThreadCpus = std::array<double, kThreadKinds>;

struct VcpuRates {
  std::uint32_t id = 0;
  bool running = false;  ///< it ran in the window
  Rates rates{};
};

/// What a VM did in the window, for people who look: what VmWindow has no need of, whether or not
/// anything is wrong. Only what happened is listed.
struct VmBreakdown {
  Rates total{};                  ///< of all vCPUs, and of what no vCPU is known of
  std::vector<VcpuRates> vcpus;   ///< that were there all the time; by id
  std::vector<CodeRate> reasons;  ///< exits by the hardware's code; most frequent first
  std::vector<CodeRate> msrs;     ///< accesses by index, timers included; most frequent first
  std::vector<CodeRate> userspace_exits;  ///< by KVM_EXIT_*, or enum kvmx_userspace_exit; the same
  std::vector<CodeRate>
      intervals;                  ///< between timer programmings: by bucket of VmCounts::intervals
  std::vector<PlaceRate> places;  ///< ports and pages; most frequent first
  std::vector<CodeRate> lines;    ///< changes of interrupt lines by GSI; the same
  ThreadCpus threads{};           ///< all 0: not known
};

}  // namespace kvmx
