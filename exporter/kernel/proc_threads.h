// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "bpf/listed_thread.h"

namespace kvmx {

/// What /proc/PID/task/TID/schedstat says, see Documentation/scheduler/sched-stats.rst.
struct ThreadTimes {
  std::uint64_t runtime_ns = 0;
  std::uint64_t run_delay_ns = 0;  ///< in which it could have run but waited for a CPU
  std::uint64_t turns = 0;         ///< how often it got one
};

/// Nothing if it is malformed, or if the thread never ran, or the kernel does not count.
std::optional<ThreadTimes> parse_schedstat(std::string_view text);

/// The threads that work for VMs as /proc shows them, for kernels of which ThreadLister cannot list
/// them. What a thread did after it was listed last, and then ended, is not known here.
///
/// A call reads for some 10 ms, processes in turn; of others it tells what was read before. So with
/// thousands of VMs a figure may be some rounds old, and what VMs cost the exporter stays the same.
class ProcThreads {
 public:
  explicit ProcThreads(std::filesystem::path proc = "/proc") : proc_(std::move(proc)) {}

  /// As ThreadLister::list(). `vms`: processes of VMs, with their start as VmKey has it.
  std::vector<listed_thread> list(const std::map<std::uint32_t, std::uint64_t>& vms);

 private:
  struct Thread {
    listed_thread listed;
    std::uint64_t turns = 0;
  };
  struct Process {
    std::uint64_t start = 0;  ///< VmKey's; 0 of the kernel's own
    std::map<std::uint32_t, Thread> threads{};
  };

  void follow(const std::map<std::uint32_t, std::uint64_t>& vms);
  void find_kernel_threads();
  void read_process(std::uint32_t pid, Process& process) const;
  [[nodiscard]] bool read_thread(std::uint32_t pid, std::uint32_t tid, Process& process) const;
  [[nodiscard]] std::optional<listed_thread> read_who(std::uint32_t pid, std::uint32_t tid,
                                                      const Process& process) const;

  std::filesystem::path proc_;
  std::map<std::uint32_t, Process> processes_;  ///< by id; those of VMs, and the kernel's own
  std::set<std::uint32_t> others_;              ///< of the kernel's, those that work for no VM
  std::uint32_t next_ = 0;                      ///< whose turn it is
  std::size_t round_ = 0;
};

}  // namespace kvmx
