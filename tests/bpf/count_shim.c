// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "tests/bpf/count_shim.h"

#pragma GCC diagnostic ignored "-Wunknown-pragmas"  // clang's, for the loop that must unroll
#include "bpf/lib/count.bpf.h"

__u32 shim_latency_bucket(__u64 ns) { return kvmx_latency_bucket(ns); }
__u32 shim_interval_bucket(__u64 ns) { return kvmx_interval_bucket(ns); }
__u32 shim_msr_id(struct vcpu_slot* slot, __u32 index) { return kvmx_msr_id(slot, index); }
__u32 shim_vmx_reason_id(struct vcpu_slot* slot, __u32 code) {
  return kvmx_reason_id(slot, KVMX_ISA_VMX, code);
}
__u32 shim_user_exit_id(__u32 reason, int error) { return kvmx_user_exit_id(reason, error); }
