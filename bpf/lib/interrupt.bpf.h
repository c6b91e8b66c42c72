/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Was an event raised by the current task, or in an interrupt that came meanwhile? */
#ifndef KVMX_INTERRUPT_BPF_H
#define KVMX_INTERRUPT_BPF_H

#include "../kvm_types.bpf.h"

/* The registers that the kernel saved when it was last entered from user mode. */
struct pt_regs___saved {
  unsigned long orig_ax; /* the system call's number, or -1: an interrupt or an exception */
} __attribute__((preserve_access_index));

/* Memory cgroups note that the task has faulted on memory in user mode. */
struct task_struct___fault {
  unsigned in_user_fault : 1;
} __attribute__((preserve_access_index));

enum bpf_func_id___regs { BPF_FUNC_task_pt_regs___regs = 175 };

#define KVMX_STACK_SIZE 16384 /* THREAD_SIZE on x86-64 */

/* Where they are: at the top of the stack, below what FRED needs (6.9), and since 5.15 the kernel
 * has a helper that tells. */
static __always_inline const struct pt_regs___saved *kvmx_saved_registers(__u64 stack) {
  if (bpf_core_enum_value_exists(enum bpf_func_id___regs, BPF_FUNC_task_pt_regs___regs))
    return (const void *)bpf_task_pt_regs(bpf_get_current_task_btf());
  return (const void *)(stack + KVMX_STACK_SIZE - bpf_core_type_size(struct pt_regs___saved));
}

/* Whether the task was interrupted in user mode, rather than that it has called the kernel, or has
 * faulted. */
static __always_inline bool kvmx_user_interrupted(__u64 stack) {
  const struct task_struct___fault *task = (const void *)bpf_get_current_task();
  if ((long)BPF_CORE_READ(kvmx_saved_registers(stack), orig_ax) >= 0) return false;
  if (!bpf_core_field_exists(task->in_user_fault)) return true;
  return !BPF_CORE_READ_BITFIELD_PROBED(task, in_user_fault);
}

/*
 * Whether the event was raised in an interrupt, so that it has nothing to do with the current task.
 * Interrupts of the kernel have stacks of their own, and the arguments of a raw tracepoint are on
 * the stack, so the address of `context` is outside the task's stack then. An interrupt of user
 * mode stays on the task's, which is otherwise empty. No helper says so, and programs can read the
 * kernel's own count, a per-CPU variable, only where kallsyms has data symbols.
 */
static __always_inline bool kvmx_in_interrupt(const void *context) {
  const struct task_struct *task = (const void *)bpf_get_current_task();
  const __u64 stack = (__u64)BPF_CORE_READ(task, stack);
  const __u64 pointer = (__u64)context;
  __u64 address = 0; /* the pointer as a plain number, which the verifier lets us subtract from */
  bpf_probe_read_kernel(&address, sizeof(address), &pointer);
  return address - stack >= KVMX_STACK_SIZE || kvmx_user_interrupted(stack);
}

#endif
