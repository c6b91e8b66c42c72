// SPDX-License-Identifier: Apache-2.0
//
// KVM's own statistics, the witness of what the guest did.
#ifndef KVMX_GUEST_KVM_STATS_H
#define KVMX_GUEST_KVM_STATS_H

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace kvmx::guest {

using Stats = std::map<std::string, std::int64_t>;

// A vCPU's single-valued statistics by KVM_GET_STATS_FD; nothing on kernels
// before 5.14, which have none.
[[nodiscard]] std::optional<Stats> read_stats_fd(int vcpu_fd);

// /sys/kernel/debug/kvm/<pid>-<vm_fd>/, the whole VM's; nothing where debugfs is
// not mounted or not readable.  Counters are sums over the vCPUs.
[[nodiscard]] std::optional<Stats> read_debugfs_vm(pid_t pid, int vm_fd);
// Its vcpu<id>/, if there.
[[nodiscard]] std::optional<Stats> read_debugfs_vcpu(pid_t pid, int vm_fd, unsigned vcpu_id);

}  // namespace kvmx::guest

#endif
