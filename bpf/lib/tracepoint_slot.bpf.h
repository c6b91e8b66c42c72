/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Which slot does the event of a tracepoint's record belong to? Its kernel may be older than
 * bpf_get_current_task_btf(), and KVM may have no BTF: then KVM's functions tell of a vCPU, but no
 * event names it by its pointer. A record's id and the thread, which KVM_RUN has bound, do.
 */
#ifndef KVMX_TRACEPOINT_SLOT_BPF_H
#define KVMX_TRACEPOINT_SLOT_BPF_H

#include "slot.bpf.h"

/* The slot of the vCPU that the current thread runs by KVM's word, if it has this id. */
static __always_inline struct vcpu_slot *kvmx_hooked_slot(__u32 vcpu_id) {
  const struct kvmx_thread thread = kvmx_thread_any();
  const __u32 tid = thread.pid_tgid;
  const __u32 *current = bpf_map_lookup_elem(&slot_of_thread, &tid);
  struct vcpu_slot *slot = current ? kvmx_slot(*current) : NULL;
  if (!slot || !slot->vcpu || slot->vcpu_id != vcpu_id || slot->fast_start != thread.start)
    return NULL;
  *kvmx_hint() = slot->index;
  return slot;
}

static __noinline struct vcpu_slot *kvmx_slow_tracepoint_slot(__u32 vcpu_id) {
  struct vcpu_slot *slot = kvmx_vcpu_hooks ? kvmx_hooked_slot(vcpu_id) : NULL;
  return slot ?: kvmx_slow_slot_of_id(vcpu_id);
}

/* The slot of the vCPU that a tracepoint's record names by its id, within the current thread's VM.
 */
static __always_inline struct vcpu_slot *kvmx_tracepoint_slot_of_vcpu(__u32 vcpu_id) {
  const struct kvmx_thread thread = kvmx_thread_any();
  struct vcpu_slot *slot = kvmx_last_slot();
  if (slot && slot->fast_start == thread.start && slot->tid == (__u32)thread.pid_tgid &&
      slot->vcpu_id == vcpu_id)
    return slot;
  return kvmx_slow_tracepoint_slot(vcpu_id);
}

/* The slot of the vCPU that the current thread runs, see kvmx_slot_of_thread(). */
static __always_inline struct vcpu_slot *kvmx_tracepoint_slot_of_thread(void) {
  if (KVMX_HAS_RDONLY_CAST) return kvmx_slot_of_thread();
  const struct kvmx_thread thread = kvmx_thread_any();
  struct vcpu_slot *slot = kvmx_last_slot();
  if (slot && slot->fast_start == thread.start && slot->tid == (__u32)thread.pid_tgid) return slot;
  return kvmx_slow_slot_of_thread();
}

/* The slot for an event that names a vCPU by its id alone, and that any thread may raise. */
static __noinline struct vcpu_slot *kvmx_tracepoint_slot_of_named(__u32 vcpu_id) {
  struct vcpu_slot *slot = kvmx_vcpu_hooks ? kvmx_hooked_slot(vcpu_id) : NULL;
  if (!slot && kvmx_vcpu_hooks) slot = kvmx_slot_of_only_id(vcpu_id);
  return slot ?: kvmx_slot_of_id(kvmx_tracepoint_slot_of_thread(), vcpu_id);
}

/* Binds the current thread to the vCPU for which it begins KVM_RUN. Of a vCPU that was made before
 * us neither id nor VM is known: its exits tell. */
static __always_inline void kvmx_begin_hooked_run(__u64 vcpu) {
  if (!bpf_map_lookup_elem(&vcpu_makers, &vcpu) && !kvmx_slot_under(vcpu)) return;
  const struct kvmx_thread thread = kvmx_thread_any();
  const struct vcpu_slot *slot = kvmx_last_slot();
  if (slot && slot->vcpu == vcpu && slot->fast_start == thread.start) return;
  kvmx_bound_slot_of_vcpu(vcpu);
}

#endif
