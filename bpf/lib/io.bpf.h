/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What guests have to do with devices: ports, pages of MMIO, and interrupt lines. */
#ifndef KVMX_IO_BPF_H
#define KVMX_IO_BPF_H

#include "../kvm_types.bpf.h"
#include "count.bpf.h"
#include "maps.bpf.h"
#include "slot.bpf.h"
#include "thread.bpf.h"

/* Types of kvm_mmio, arch/x86/kvm's KVM_TRACE_MMIO_*. A read that the VMM is to answer has two
 * events: it is unsatisfied first. So has each other access, and each page of one, one event. */
#define KVMX_MMIO_READ_UNSATISFIED 0
#define KVMX_MMIO_WRITE 2

static __always_inline struct io_counts *kvmx_io_of(const struct vcpu_slot *slot) {
  __u32 index = slot->index;
  return bpf_map_lookup_elem(&io, &index);
}

static __always_inline int count_port(const struct vcpu_slot *slot, __u16 port, bool write) {
  struct io_counts *counts = slot ? kvmx_io_of(slot) : NULL;
  return counts ? kvmx_count_io(&counts->ports, port, write) : 0;
}

static __always_inline int count_page(const struct vcpu_slot *slot, __u64 gpa, __u32 type) {
  if (type == KVMX_MMIO_READ_UNSATISFIED) return 0;
  struct io_counts *counts = slot ? kvmx_io_of(slot) : NULL;
  if (!counts) return 0;
  return kvmx_count_io(&counts->pages, gpa >> KVMX_PAGE_SHIFT, type == KVMX_MMIO_WRITE);
}

/* Counts a change of an interrupt line's level. Any thread may make one. */
static __always_inline int count_line(const struct vcpu_slot *slot, __u32 gsi) {
  struct io_counts *counts = slot ? kvmx_io_of(slot) : NULL;
  if (!counts) return 0;
  __u32 line = gsi < KVMX_LINES ? gsi : KVMX_LINES;
  barrier_var(line);
  if (line <= KVMX_LINES) __sync_fetch_and_add(&counts->lines[line], 1);
  return 0;
}

/*
 * A slot of a VM, for an event that names its VM: that of its first vCPU. Threads of the kernel
 * raise such events, too, so the current process need not be the VM's. A vCPU that has not run yet
 * gets its slot here, if it is known which process it is of.
 */
static __noinline struct vcpu_slot *kvmx_slot_of_vm(__u64 kvm) {
  const struct task_struct *task = (const void *)bpf_get_current_task();
  const struct kvm *pointer = (const void *)kvm;
  const struct vcpu_key key = {.owner = kvmx_first_vcpu(pointer)};
  const bool own = BPF_CORE_READ(task, mm) == BPF_CORE_READ(pointer, mm);
  if (!key.owner) goto unattributed;
  const __u32 *found = bpf_map_lookup_elem(&slot_of_vcpu, &key);
  struct vcpu_slot *slot = found ? kvmx_slot(*found) : NULL;
  if (slot && slot->vcpu == key.owner && slot->kvm == kvm &&
      (kvmx_vcpu_hooks || !own || slot->tgid == (__u32)(bpf_get_current_pid_tgid() >> 32)))
    return slot;
  if (!own && !bpf_map_lookup_elem(&vcpu_makers, &key.owner)) goto unattributed;
  struct vcpu_ref ref = kvmx_ref_of_vcpu(key.owner);
  ref.thread = (struct kvmx_thread){}; /* none runs it yet */
  __u32 index;
  return kvmx_find_slot(&ref, &index);
unattributed:
  kvmx_count_lost_event(KVMX_LOST_UNATTRIBUTED);
  return NULL;
}

#define KVMX_PIT_NAME "kvm-pit/" /* and the id of the process that made the VM */

/* The process that the current thread raises the interrupts of a timer chip for; 0: it is no such
 * thread of the kernel. Any other may have such a name, and without BTF nobody knows. */
static __always_inline __u32 kvmx_process_of_pit(void) {
  const struct task_struct *task = (const void *)bpf_get_current_task();
  char comm[KVMX_COMM] = {};
  __u32 tgid = 0;
  if (!bpf_core_field_exists(task->mm) || BPF_CORE_READ(task, mm)) return 0;
  bpf_get_current_comm(comm, sizeof(comm));
  for (__u32 i = 0; i < sizeof(KVMX_PIT_NAME) - 1; i++)
    if (comm[i] != KVMX_PIT_NAME[i]) return 0;
  for (__u32 i = sizeof(KVMX_PIT_NAME) - 1; i < KVMX_COMM && comm[i]; i++)
    tgid = tgid * 10 + (comm[i] - '0');
  return tgid;
}

/* The slot for a change of a line, where nothing but the current thread says of which VM it is. */
static __noinline struct vcpu_slot *kvmx_slot_of_line_raiser(void) {
  const __u32 tgid = kvmx_process_of_pit();
  if (!tgid) return kvmx_slot_of_current_task();
  const __u64 *start = bpf_map_lookup_elem(&vm_processes, &tgid);
  if (start) return kvmx_slot_of_process(tgid, *start);
  kvmx_count_lost_event(KVMX_LOST_UNATTRIBUTED);
  return NULL;
}

#endif
