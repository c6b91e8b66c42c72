// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "tests/bpf/count_shim.h"

// As libbpf's bpf_helpers.h has them; that header is for programs of the kernel only.
#define __noinline __attribute__((noinline))
#define barrier_var(var) asm volatile("" : "+r"(var))
#define bpf_ktime_get_ns() shim_clock_ns
__u64 shim_clock_ns;
#include "bpf/lib/count.bpf.h"
#include "bpf/lib/handling.bpf.h"

void shim_count_latency(__u64* buckets, __u64 ns) { kvmx_count_latency(buckets, ns); }
void shim_count_interval(__u64* buckets, __u64 ns) { kvmx_count_interval(buckets, ns); }
__u32 shim_msr_id(struct vcpu_slot* slot, __u32 index) { return kvmx_msr_id(slot, index); }
void shim_count_io(struct kvmx_io* io, __u64 key, int write) {
  kvmx_count_io(io, key, write != 0);
}
__u32 shim_dense_entry(const __u16* dense, __u64 code) { return kvmx_dense_entry(dense, code); }
__u32 shim_overflow_reason(struct vcpu_slot* slot, __u32 code) {
  return kvmx_overflow_reason(slot, code);
}
__u32 shim_userspace_exit_id(__u32 reason, int error) {
  return kvmx_userspace_exit_id(reason, error);
}

void shim_count_entry(struct vcpu_slot* slot) {
  if (slot->exit <= KVMX_EXIT_ID)
    count_plain_entry(slot, slot->exit);
  else
    count_other_entry(slot);
}
void shim_count_wakeup(struct vcpu_slot* slot, __u64 ns, int waited) {
  count_wakeup(slot, ns, waited);
}
void shim_count_userspace_exit(struct vcpu_slot* slot, __u32 reason, int error) {
  count_userspace_exit(slot, reason, error);
}
