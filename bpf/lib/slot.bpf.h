/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Which slot does this event belong to?
 *
 * The fast path takes the CPU's last slot, if its owner is the vCPU at hand, or the thread. The
 * slow path takes the thread's last slot, if its owner is; else it looks the vCPU up; else it makes
 * a new slot.
 *
 * Where KVM tells of its vCPUs (kvmx_told), a pointer is one vCPU's until that is destroyed, and a
 * thread is bound to its vCPU where KVM_RUN begins. Elsewhere the start time of the thread or of
 * its process is compared too, because the kernel reuses pointers and thread ids; and the slots of
 * a thread that runs several vCPUs are `shared` and always looked up, so that an event without a
 * vCPU finds the one that the thread runs *now*.
 *
 * The fast path is inlined and needs no stack. The slow paths are functions of their own that take
 * one number only: with more arguments the compiler would gather what they need before it is known
 * that they are needed.
 */
#ifndef KVMX_SLOT_BPF_H
#define KVMX_SLOT_BPF_H

#include "../kvm_types.bpf.h"
#include "maps.bpf.h"
#include "thread.bpf.h"

/* Whether KVM's own functions tell when a vCPU is made, run and destroyed (vcpu_life.bpf.h). Set by
 * the exporter. */
const volatile bool kvmx_told;

/* Whether VMs of one process are one: so it is where records name a vCPU by its id, and the exits
 * of what is older than the exporter do not tell its VM. Set by the exporter. */
const volatile bool kvmx_one_vm;

/* A vCPU as an event names it. vcpu and kvm are 0 for events that give no pointer. */
struct vcpu_ref {
  __u64 vcpu;
  __u64 kvm;
  __u32 vcpu_id;
  __u32 tgid;     /* the VM's process */
  __u64 vm_start; /* start of that */
  struct kvmx_thread thread;
};

/* A vCPU that events name by its id alone, run by `thread` of the current process. */
static __always_inline struct vcpu_ref kvmx_ref_of_id(__u32 vcpu_id, struct kvmx_thread thread) {
  const struct vcpu_ref ref = {.vcpu_id = vcpu_id,
                               .tgid = thread.pid_tgid >> 32,
                               .vm_start = kvmx_process_start(),
                               .thread = thread};
  return ref;
}

static __always_inline struct vcpu_slot *kvmx_slot(__u32 index) {
  return bpf_map_lookup_elem(&slots, &index);
}

static __always_inline __u32 *kvmx_hint(void) {
  return last_slot[bpf_get_smp_processor_id() & (KVMX_HINTS - 1)];
}

/* The CPU's last slot. */
static __always_inline struct vcpu_slot *kvmx_last_slot(void) {
  return bpf_map_lookup_elem(&slots, kvmx_hint());
}

static __always_inline bool kvmx_run_by(const struct vcpu_slot *slot,
                                        const struct kvmx_thread *thread) {
  return slot->tid == (__u32)thread->pid_tgid && slot->thread_start == thread->start;
}

/* The slot of a vCPU, by its pointer, that KVM has not destroyed. */
static __always_inline struct vcpu_slot *kvmx_slot_under(__u64 vcpu) {
  const struct vcpu_key key = {.owner = vcpu};
  const __u32 *index = bpf_map_lookup_elem(&slot_of_vcpu, &key);
  struct vcpu_slot *slot = index ? kvmx_slot(*index) : NULL;
  return slot && slot->vcpu == vcpu ? slot : NULL;
}

/* Whether a slot that was found under `ref`'s key is its, and not one of a VM that is gone. */
static __always_inline bool kvmx_is_vcpu(const struct vcpu_slot *slot, const struct vcpu_ref *ref) {
  return slot->kvm == ref->kvm && slot->vcpu_id == ref->vcpu_id && slot->tgid == ref->tgid &&
         slot->vm_start == ref->vm_start && (ref->vcpu || slot->thread_start == ref->thread.start);
}

/* Notes in a slot whose it is. The tgid makes it visible to readers and is written last. */
static __always_inline void kvmx_own_slot(struct vcpu_slot *slot, const struct vcpu_ref *ref) {
  slot->vcpu = ref->vcpu;
  slot->kvm = ref->kvm;
  slot->vcpu_id = ref->vcpu_id;
  slot->vm_start = ref->vm_start;
  *(volatile __u32 *)&slot->tgid = ref->tgid;
}

/* Name of the process that made the vCPU, if KVM told of that; else of the one that runs it. */
static __always_inline void kvmx_comm_of_vm(const struct vcpu_ref *ref, char comm[KVMX_COMM]) {
  const struct vcpu_maker *maker = ref->vcpu ? bpf_map_lookup_elem(&vcpu_makers, &ref->vcpu) : NULL;
  if (maker)
    __builtin_memcpy(comm, maker->comm, KVMX_COMM);
  else
    kvmx_process_comm(comm);
}

/* Takes a free slot for `ref` and enters it under `key`. */
static __always_inline struct vcpu_slot *kvmx_new_slot(const struct vcpu_key *key,
                                                       const struct vcpu_ref *ref, __u32 *index) {
  struct vcpu_slot *slot;
  if (bpf_map_pop_elem(&free_slots, index) || !(slot = kvmx_slot(*index))) {
    kvmx_count_lost_event(KVMX_LOST_TABLE_FULL);
    return NULL;
  }
  if (bpf_map_update_elem(&slot_of_vcpu, key, index, BPF_ANY)) {
    bpf_map_push_elem(&free_slots, index, BPF_ANY);
    kvmx_count_lost_event(KVMX_LOST_MAP_FULL);
    return NULL;
  }
  slot->index = *index;
  slot->isa = kvmx_isa;
  slot->exit = KVMX_EXIT_NONE;
  kvmx_comm_of_vm(ref, slot->comm);
  slot->tid = (__u32)ref->thread.pid_tgid;
  slot->thread_start = ref->thread.start;
  bpf_map_update_elem(&vm_processes, &ref->tgid, &ref->vm_start, BPF_ANY);
  kvmx_own_slot(slot, ref);
  bpf_ringbuf_output(&new_slots, index, sizeof(*index), 0);
  return slot;
}

/*
 * Turns the slot of a thread whose vCPU was unknown into the slot of `ref`, which the thread now
 * runs: the thread's events so far were this vCPU's. Returns NULL if there is no such slot.
 */
static __always_inline struct vcpu_slot *kvmx_adopt_slot(const struct vcpu_key *key,
                                                         const struct vcpu_ref *ref, __u32 *index) {
  const struct vcpu_key by_thread = {.owner = ref->thread.pid_tgid};
  const __u32 tid = ref->thread.pid_tgid;
  if (ref->vcpu_id == KVMX_VCPU_UNKNOWN) return NULL;
  const __u32 *current = bpf_map_lookup_elem(&slot_of_thread, &tid);
  if (!current) return NULL;
  *index = *current;
  struct vcpu_slot *slot = kvmx_slot(*index);
  if (!slot || slot->vcpu_id != KVMX_VCPU_UNKNOWN || !kvmx_run_by(slot, &ref->thread)) return NULL;
  if (bpf_map_update_elem(&slot_of_vcpu, key, index, BPF_ANY)) return NULL;
  bpf_map_delete_elem(&slot_of_vcpu, &by_thread);
  kvmx_own_slot(slot, ref);
  return slot;
}

/* Removes the entry of the thread that ran the vCPU of `slot` so far, which may be gone. */
static __always_inline void kvmx_unbind_thread(const struct vcpu_slot *slot, __u32 index) {
  const __u32 tid = slot->tid;
  const __u32 *current = bpf_map_lookup_elem(&slot_of_thread, &tid);
  if (current && *current == index) bpf_map_delete_elem(&slot_of_thread, &tid);
}

/*
 * Records that `thread` now runs the vCPU of `slot`. If it ran another one before, that slot ceases
 * to be the thread's; and where nothing tells when it goes back to it, both become `shared`.
 */
static __always_inline void kvmx_bind_thread(struct vcpu_slot *slot, __u32 index,
                                             const struct kvmx_thread *thread) {
  const __u32 tid = thread->pid_tgid;
  __u32 *current = bpf_map_lookup_elem(&slot_of_thread, &tid);
  if (current && *current != index) {
    struct vcpu_slot *other = kvmx_slot(*current);
    if (other && kvmx_run_by(other, thread)) {
      other->fast_start = 0;
      if (!kvmx_told && other->vcpu_id != KVMX_VCPU_UNKNOWN) slot->shared = other->shared = 1;
    }
  }
  if (slot->tid != tid) kvmx_unbind_thread(slot, index);
  slot->tid = tid;
  slot->thread_start = thread->start;
  slot->fast_start = slot->shared ? 0 : thread->start;
  if (current && *current == index) return;
  if (bpf_map_update_elem(&slot_of_thread, &tid, &index, BPF_ANY))
    kvmx_count_lost_event(KVMX_LOST_MAP_FULL);
}

/*
 * Finds or makes the slot of `ref` and puts its index into *index. A slot found under a reused
 * pointer or thread id belongs to a VM that is gone. It is left for the exporter to free, and a new
 * slot is entered in its place.
 */
static __always_inline struct vcpu_slot *kvmx_find_slot(const struct vcpu_ref *ref, __u32 *index) {
  struct vcpu_key key = {.owner = ref->vcpu ?: ref->thread.pid_tgid,
                         .id = ref->vcpu ? 0 : (__u64)(ref->vcpu_id + 1)};
  const __u32 *found = bpf_map_lookup_elem(&slot_of_vcpu, &key);
  if (found) {
    *index = *found;
    struct vcpu_slot *slot = kvmx_slot(*index);
    if (slot && kvmx_is_vcpu(slot, ref)) {
      slot->vcpu = ref->vcpu; /* its VM may have been made again where it was */
      return slot;
    }
  }
  return kvmx_adopt_slot(&key, ref, index) ?: kvmx_new_slot(&key, ref, index);
}

static __always_inline struct vcpu_slot *kvmx_bound_slot(const struct vcpu_ref *ref) {
  __u32 index;
  struct vcpu_slot *slot = kvmx_find_slot(ref, &index);
  if (!slot) return NULL;
  kvmx_bind_thread(slot, index, &ref->thread);
  *kvmx_hint() = index;
  return slot;
}

/* A vCPU by its pointer. Its VM is that of the process that made it, if KVM told of that; and so is
 * its id, where the kernel does not describe what is in a vCPU. Its slot knows both when the maker
 * has given way to others. */
static __always_inline struct vcpu_ref kvmx_ref_of_vcpu(__u64 vcpu) {
  const struct kvm_vcpu *pointer = (const void *)vcpu;
  struct vcpu_ref ref = kvmx_ref_of_id(KVMX_VCPU_UNKNOWN, kvmx_thread_any());
  ref.vcpu = vcpu;
  if (bpf_core_field_exists(pointer->vcpu_id)) {
    ref.vcpu_id = BPF_CORE_READ(pointer, vcpu_id);
    if (!kvmx_one_vm) ref.kvm = (__u64)BPF_CORE_READ(pointer, kvm);
  }
  const struct vcpu_maker *maker = bpf_map_lookup_elem(&vcpu_makers, &vcpu);
  if (maker) {
    ref.vcpu_id = maker->vcpu_id;
    ref.tgid = maker->tgid;
    ref.vm_start = maker->start;
    return ref;
  }
  const struct vcpu_slot *slot = kvmx_told ? kvmx_slot_under(vcpu) : NULL;
  if (slot && slot->kvm == ref.kvm) {
    ref.vcpu_id = slot->vcpu_id;
    ref.tgid = slot->tgid;
    ref.vm_start = slot->vm_start;
  }
  return ref;
}

static __noinline struct vcpu_slot *kvmx_bound_slot_of_vcpu(__u64 vcpu) {
  if (!vcpu) return NULL; /* never null; the verifier wants the check before address arithmetic */
  const struct vcpu_ref ref = kvmx_ref_of_vcpu(vcpu);
  return kvmx_bound_slot(&ref);
}

/* The slow path. Mostly another vCPU used this CPU meanwhile, and the thread runs the same vCPU as
 * before. */
static __noinline struct vcpu_slot *kvmx_slow_slot_of_vcpu(__u64 vcpu) {
  const struct kvmx_thread thread = kvmx_thread_any();
  const __u32 tid = thread.pid_tgid;
  const __u32 *current = bpf_map_lookup_elem(&slot_of_thread, &tid);
  struct vcpu_slot *slot = current ? kvmx_slot(*current) : NULL;
  if (!slot || slot->fast_start != thread.start || slot->vcpu != vcpu)
    return kvmx_bound_slot_of_vcpu(vcpu);
  *kvmx_hint() = slot->index;
  return slot;
}

static __always_inline bool kvmx_run_by_current(const struct vcpu_slot *slot) {
  return slot->fast_start == kvmx_thread_start();
}

/* The slot of the vCPU that an event names by pointer. The current thread runs it from now on. */
static __always_inline struct vcpu_slot *kvmx_slot_of_vcpu(const struct kvm_vcpu *vcpu) {
  struct vcpu_slot *slot = kvmx_last_slot();
  if (slot && slot->vcpu == (__u64)vcpu && (kvmx_told || kvmx_run_by_current(slot))) return slot;
  return kvmx_slow_slot_of_vcpu((__u64)vcpu);
}

/* Binds the current thread to the vCPU for which it begins KVM_RUN. */
static __always_inline void kvmx_begin_run(const struct kvm_vcpu *vcpu) {
  struct vcpu_slot *slot = kvmx_last_slot();
  if (slot && slot->vcpu == (__u64)vcpu && kvmx_run_by_current(slot)) return;
  kvmx_slow_slot_of_vcpu((__u64)vcpu);
}

/*
 * The slot of `vcpu`, if `slot` was found for a thread that has been out of KVM_RUN. It may have
 * destroyed its VM there and made another whose vCPU has the same address, or another thread may
 * have taken over; within KVM_RUN neither can be. Where KVM tells of both, the kernel may have
 * skipped the programs that it tells.
 */
static __noinline struct vcpu_slot *kvmx_recheck_slot(struct vcpu_slot *slot,
                                                      const struct kvm_vcpu *vcpu) {
  if (!vcpu) return NULL; /* never null; the verifier wants the check */
  if (slot->kvm == (__u64)vcpu->kvm && slot->vcpu_id == (__u32)vcpu->vcpu_id &&
      (!kvmx_told || kvmx_run_by_current(slot)))
    return slot;
  return kvmx_bound_slot_of_vcpu((__u64)vcpu);
}

static __noinline struct vcpu_slot *kvmx_slow_slot_of_id(__u32 vcpu_id) {
  const struct vcpu_ref ref = kvmx_ref_of_id(vcpu_id, kvmx_thread_any());
  return kvmx_bound_slot(&ref);
}

static __noinline struct vcpu_slot *kvmx_slow_slot_of_thread(void) {
  const struct kvmx_thread thread = kvmx_thread_any();
  if (!(thread.pid_tgid >> 32)) {
    kvmx_count_lost_event(KVMX_LOST_UNATTRIBUTED);
    return NULL;
  }
  const __u32 tid = thread.pid_tgid;
  const __u32 *current = bpf_map_lookup_elem(&slot_of_thread, &tid);
  if (current) {
    struct vcpu_slot *slot = kvmx_slot(*current);
    if (slot && kvmx_run_by(slot, &thread)) {
      *kvmx_hint() = *current;
      return slot;
    }
  }
  return kvmx_slow_slot_of_id(KVMX_VCPU_UNKNOWN);
}

/*
 * The slot of the vCPU that the current thread runs. A thread that no event has named a vCPU for
 * yet (kvm_exit does not fire everywhere) gets a slot whose vCPU is unknown.
 */
static __always_inline struct vcpu_slot *kvmx_slot_of_thread(void) {
  struct vcpu_slot *slot = kvmx_last_slot();
  const struct task_struct *task = bpf_get_current_task_btf();
  if (slot && slot->fast_start == task->start_time && slot->tid == (__u32)task->pid) return slot;
  return kvmx_slow_slot_of_thread();
}

/* The slot that all threads of a process share that run no vCPU. */
static __always_inline struct vcpu_slot *kvmx_slot_of_process(__u32 tgid, __u64 start) {
  const struct kvmx_thread any = {.pid_tgid = (__u64)tgid << 32};
  struct vcpu_ref ref = kvmx_ref_of_id(KVMX_VCPU_UNKNOWN, any);
  __u32 index;
  ref.vm_start = start;
  return kvmx_find_slot(&ref, &index);
}

/*
 * The slot for an event that any thread may raise: the slot of the vCPU that the current task runs;
 * if it is another thread of a VM's process, one slot (tid 0) that all of these share; else none.
 */
static __always_inline struct vcpu_slot *kvmx_slot_of_current_task(void) {
  if (!kvmx_may_have_vm()) {
    kvmx_count_lost_event(KVMX_LOST_UNATTRIBUTED);
    return NULL;
  }
  const struct kvmx_thread thread = kvmx_thread_any();
  struct vcpu_slot *slot = kvmx_last_slot();
  if (slot && slot->fast_start == thread.start && slot->tid == (__u32)thread.pid_tgid) return slot;
  const __u32 tid = thread.pid_tgid;
  const __u32 *current = bpf_map_lookup_elem(&slot_of_thread, &tid);
  if (current) {
    slot = kvmx_slot(*current);
    if (slot && kvmx_run_by(slot, &thread)) return slot;
  }
  const __u32 tgid = thread.pid_tgid >> 32;
  const __u64 *start = bpf_map_lookup_elem(&vm_processes, &tgid);
  if (!start || *start != kvmx_process_start()) {
    kvmx_count_lost_event(KVMX_LOST_UNATTRIBUTED);
    return NULL;
  }
  return kvmx_slot_of_process(tgid, *start);
}

/* The slot of a vCPU that an event names by id and that is not the one of the thread's own slot. */
static __noinline struct vcpu_slot *kvmx_slot_of_other_id(const struct vcpu_slot *own,
                                                          __u32 vcpu_id) {
  if (!own->vcpu) return kvmx_slow_slot_of_id(vcpu_id);
  const struct vcpu_ref ref = kvmx_ref_of_id(vcpu_id, kvmx_thread_any());
  __u32 index;
  return kvmx_find_slot(&ref, &index);
}

/*
 * The slot for an event of the current thread that names a vCPU by its id alone. Mostly it is
 * `slot`, the thread's own. If the thread's vCPU was unknown, it is this one. A thread whose vCPU
 * is another, and which acts on this one by an ioctl, goes on running its own vCPU.
 */
static __always_inline struct vcpu_slot *kvmx_slot_of_id(struct vcpu_slot *slot, __u32 vcpu_id) {
  if (!slot || slot->vcpu_id == vcpu_id) return slot;
  return kvmx_slot_of_other_id(slot, vcpu_id);
}

/* The slot of the current process's vCPU of this id, if KVM told of one and no other. No thread is
 * bound to it. */
static __always_inline struct vcpu_slot *kvmx_slot_of_only_id(__u32 vcpu_id) {
  const struct vcpu_id_key key = {.tgid = bpf_get_current_pid_tgid() >> 32, .vcpu_id = vcpu_id};
  const struct vcpus_of_id *named = bpf_map_lookup_elem(&vcpus_by_id, &key);
  if (!named || !named->vcpu) return NULL;
  const struct vcpu_ref ref = kvmx_ref_of_vcpu(named->vcpu);
  __u32 index;
  if (ref.tgid != key.tgid || ref.vcpu_id != vcpu_id) return NULL; /* an entry that was left */
  return kvmx_find_slot(&ref, &index);
}

/* Mostly an ioctl on a vCPU by a thread that does not run it: one that restores a VM, say. */
static __noinline struct vcpu_slot *kvmx_slow_slot_of_named(__u32 vcpu_id) {
  const __u32 tid = bpf_get_current_pid_tgid();
  const __u32 *current = bpf_map_lookup_elem(&slot_of_thread, &tid);
  struct vcpu_slot *slot = current ? kvmx_slot(*current) : NULL;
  if (slot && slot->vcpu_id == vcpu_id && slot->fast_start == kvmx_thread_start()) return slot;
  return kvmx_slot_of_only_id(vcpu_id) ?: kvmx_slot_of_id(kvmx_slot_of_thread(), vcpu_id);
}

/* The same, of a program whose kernel has bpf_get_current_task_btf(). */
static __always_inline struct vcpu_slot *kvmx_slot_of_named(__u32 vcpu_id) {
  if (!kvmx_told) return kvmx_slot_of_id(kvmx_slot_of_thread(), vcpu_id);
  struct vcpu_slot *slot = kvmx_last_slot();
  const struct task_struct *task = bpf_get_current_task_btf();
  if (slot && slot->fast_start == task->start_time && slot->tid == (__u32)task->pid &&
      slot->vcpu_id == vcpu_id)
    return slot;
  return kvmx_slow_slot_of_named(vcpu_id);
}

#endif
