/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Beginnings and ends, of which the kernel tells: KVM's own functions are called when a vCPU is
 * made and when it is destroyed, and a tracepoint of the scheduler when a thread is gone. */
#ifndef KVMX_VCPU_LIFE_BPF_H
#define KVMX_VCPU_LIFE_BPF_H

#include "../kvm_types.bpf.h"
#include "maps.bpf.h"
#include "slot.bpf.h"
#include "thread.bpf.h"

/* The slot entered under a vCPU's pointer takes no more events, unless its VM is made again where
 * it was. Nothing of it runs on, and readers learn that the vCPU is no more. */
static __always_inline void kvmx_end_slot(__u64 vcpu) {
  struct vcpu_slot *slot = kvmx_slot_under(vcpu);
  if (!slot) return;
  slot->fast_start = 0;
  *(volatile __u32 *)&slot->exit = KVMX_EXIT_OUTSIDE;
  *(volatile __u64 *)&slot->userspace_ns = 0;
  slot->timer_ns = 0;
  slot->vmcb = 0;
  *(volatile __u64 *)&slot->vcpu |= KVMX_VCPU_DESTROYED; /* `vcpu` itself may be no number */
}

/* Notes under its id that the process `tgid` has made a vCPU. Two threads may do so at once, and
 * one of them comes second. */
static __always_inline void kvmx_enter_id(__u32 tgid, __u64 vcpu, __u32 vcpu_id) {
  const struct vcpu_id_key key = {.tgid = tgid, .vcpu_id = vcpu_id};
  const struct vcpus_of_id first = {.vcpu = vcpu, .count = 1};
  struct vcpus_of_id *others = bpf_map_lookup_elem(&vcpus_by_id, &key);
  if (!others) {
    if (!bpf_map_update_elem(&vcpus_by_id, &key, &first, BPF_NOEXIST)) return;
    others = bpf_map_lookup_elem(&vcpus_by_id, &key);
  }
  if (!others) {
    kvmx_count_lost_event(KVMX_LOST_MAP_FULL);
    return;
  }
  others->vcpu = 0;
  __sync_fetch_and_add(&others->count, 1);
}

static __always_inline void kvmx_leave_id(__u32 tgid, __u64 vcpu, __u32 vcpu_id) {
  const struct vcpu_id_key key = {.tgid = tgid, .vcpu_id = vcpu_id};
  struct vcpus_of_id *there = bpf_map_lookup_elem(&vcpus_by_id, &key);
  if (!there || (there->vcpu && there->vcpu != vcpu)) return;
  __sync_fetch_and_add(&there->count, -1); /* whose value kernels before 5.12 do not give */
  if (!*(volatile __u64 *)&there->count) bpf_map_delete_elem(&vcpus_by_id, &key);
}

/* The current process has made this vCPU. A slot under its pointer is that of one whose destruction
 * was not told, since the kernel skipped the program. */
static __always_inline int kvmx_vcpu_made(__u64 vcpu, __u32 vcpu_id) {
  struct vcpu_maker maker = {
      .start = kvmx_process_start(), .tgid = bpf_get_current_pid_tgid() >> 32, .vcpu_id = vcpu_id};
  kvmx_process_comm(maker.comm);
  kvmx_end_slot(vcpu);
  if (bpf_map_update_elem(&vcpu_makers, &vcpu, &maker, BPF_ANY))
    kvmx_count_lost_event(KVMX_LOST_MAP_FULL);
  kvmx_enter_id(maker.tgid, vcpu, vcpu_id);
  return 0;
}

/* No thread can be in KVM_RUN for this vCPU any more. */
static __always_inline int kvmx_vcpu_destroyed(__u64 vcpu) {
  const struct vcpu_slot *slot = kvmx_slot_under(vcpu);
  const struct vcpu_maker *maker = bpf_map_lookup_elem(&vcpu_makers, &vcpu);
  if (maker)
    kvmx_leave_id(maker->tgid, vcpu, maker->vcpu_id);
  else if (slot)
    kvmx_leave_id(slot->tgid, vcpu, slot->vcpu_id);
  bpf_map_delete_elem(&vcpu_makers, &vcpu);
  kvmx_end_slot(vcpu);
  return 0;
}

/* A thread is gone, so its id may become another's; and if it was the first of its process, the
 * process is gone. */
static __always_inline void kvmx_thread_gone(__u32 tid) {
  const __u32 *index = bpf_map_lookup_elem(&slot_of_thread, &tid);
  struct vcpu_slot *slot = index ? kvmx_slot(*index) : NULL;
  if (slot && slot->tid == tid) slot->fast_start = 0;
  bpf_map_delete_elem(&slot_of_thread, &tid);
  bpf_map_delete_elem(&vm_processes, &tid);
}

#endif
