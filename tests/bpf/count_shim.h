// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// The kernel side's counting, as ordinary C functions for tests.
#pragma once

#include <stddef.h>

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
int shim_missed_return(const struct vcpu_slot* slot);

/* A vCPU of an Intel host, after an exit by an MSR instruction. */
struct shim_msr_exit {
  __u64 qualification; /* its MSR, of an instruction with an immediate */
  __u64 rax;
  __u64 rdx;
  int gp; /* it faulted */
};
void shim_count_noted_msr(struct vcpu_slot* slot, const struct shim_msr_exit* exit);

/* What the current CPU and task are. */
extern __u32 shim_cpu;
extern __u64 shim_pid_tgid;
const __u32* shim_hint(void);

/* A process that makes and destroys vCPUs, and what is known of them. They begin with their VM. */
struct shim_vcpu {
  void* kvm;
  int vcpu_id;
};
void shim_start_process(__u32 tgid, __u64 start, const char* comm);
/* Another thread of the current process takes its place. */
void shim_start_thread(__u32 tid, __u64 start);
void shim_vcpu_made(const struct shim_vcpu* vcpu);
void shim_vcpu_destroyed(const struct shim_vcpu* vcpu);
struct vcpu_slot* shim_run(const struct shim_vcpu* vcpu);
struct vcpu_slot* shim_slot_of_only_id(__u32 vcpu_id);
void shim_offer_slots(__u32 count);
__u64 shim_lost(__u32 cause);
extern const void* const shim_vcpus_by_id;
extern const void* const shim_vcpu_makers;
void shim_forget_maker(const struct shim_vcpu* vcpu);
void shim_forget_id(__u32 vcpu_id);

/* The maps; see fake_maps.h. */
void* fake_lookup(const void* map, const void* key, size_t key_size, size_t value_size,
                  size_t type);
long fake_update(const void* map, const void* key, size_t key_size, const void* value,
                 size_t value_size, __u64 flags);
long fake_delete(const void* map, const void* key, size_t key_size);
long fake_pop(const void* map, void* value);
long fake_push(const void* map, __u32 value);

#ifdef __cplusplus
}
#endif
