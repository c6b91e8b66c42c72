// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// The kernel side's counting, as ordinary C functions for tests.
#pragma once

#include "bpf/vcpu_slot.h"

#ifdef __cplusplus
extern "C" {
#endif

void shim_count_latency(__u64* buckets, __u64 ns);
void shim_count_interval(__u64* buckets, __u64 ns);
__u32 shim_msr_id(struct vcpu_slot* slot, __u32 index);
void shim_count_io(struct kvmx_io* io, __u64 key, int write);
__u32 shim_dense_entry(const __u16* dense, __u64 code);
__u32 shim_overflow_reason(struct vcpu_slot* slot, __u32 code);
__u32 shim_userspace_exit_id(__u32 reason, int error);

extern __u64 shim_clock_ns; /* what bpf_ktime_get_ns() returns */
void shim_count_entry(struct vcpu_slot* slot);
void shim_count_wakeup(struct vcpu_slot* slot, __u64 ns, int waited);
void shim_count_userspace_exit(struct vcpu_slot* slot, __u32 reason, int error);

#ifdef __cplusplus
}
#endif
