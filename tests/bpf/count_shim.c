// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "tests/bpf/count_shim.h"

#pragma GCC diagnostic ignored "-Wunknown-pragmas"  // clang's, for the loop that must unroll
#define __noinline __attribute__((noinline))        // as bpf_helpers.h has it
#include "bpf/lib/count.bpf.h"

void shim_count_latency(__u64* buckets, __u64 ns) { kvmx_count_latency(buckets, ns); }
void shim_count_interval(__u64* buckets, __u64 ns) { kvmx_count_interval(buckets, ns); }
__u32 shim_msr_id(struct vcpu_slot* slot, __u32 index) { return kvmx_msr_id(slot, index); }
__u32 shim_dense_entry(const __u16* dense, __u64 code) { return kvmx_dense_entry(dense, code); }
__u32 shim_spilled_reason(struct vcpu_slot* slot, __u32 code) {
  return kvmx_spilled_reason(slot, code);
}
__u32 shim_user_exit_id(__u32 reason, int error) { return kvmx_user_exit_id(reason, error); }
