/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The few kernel types we read, and every difference between kernels in how they are read.
 * Offsets are relocated at load time (CO-RE) against the running kernel's and its modules' BTF;
 * only the members named here are ever looked at.
 */
#ifndef KVMX_KVM_TYPES_BPF_H
#define KVMX_KVM_TYPES_BPF_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "vcpu_slot.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct task_struct {
  void *stack;
  int pid;
  int tgid;
  __u64 start_time;
  __u64 start_boottime; /* real_start_time before 5.5, cf25e24db61c */
  struct task_struct *group_leader;
  struct mm_struct *mm;
  char comm[KVMX_COMM];
};

struct kvm {
  struct mm_struct *mm; /* of the process that made it */
};

struct kvm_vcpu {
  struct kvm *kvm;
  int vcpu_id;
};

union vmx_exit_reason {
  __u32 full;
};

/* In 7.2 VMX and TDX vCPUs share their exit state in vcpu_vt, at the same offset in both. */
struct vcpu_vt {
  union vmx_exit_reason exit_reason;
};

struct vcpu_vmx {
  union vmx_exit_reason exit_reason; /* in 6.1 and 6.12 */
};

struct vcpu_vmx___vt {
  struct vcpu_vt vt;
};

struct vmcb_control_area {
  __u32 exit_code; /* a u64 in 7.2, whose low half is at the same place */
};

struct vmcb {
  struct vmcb_control_area control;
};

struct vcpu_svm {
  struct vmcb *vmcb;
};

/* Open files, and what an iterator over those of all tasks is given (Linux 5.8). */

struct super_block {
  unsigned long s_magic;
};

struct inode {
  struct super_block *i_sb;
};

struct qstr {
  const unsigned char *name;
};

struct dentry {
  struct qstr d_name;
};

struct path {
  struct dentry *dentry;
};

struct file {
  struct path f_path;
  struct inode *f_inode;
  void *private_data;
};

struct bpf_iter_meta {
  struct seq_file *seq;
};

struct bpf_iter__task_file {
  struct bpf_iter_meta *meta;
  struct task_struct *task;
  struct file *file;
};

#pragma clang attribute pop

/*
 * The hardware's exit code of the exit that `vcpu` just took. vcpu_vmx and vcpu_svm both begin
 * with their kvm_vcpu, so one address serves. Where isa's module is not loaded its types do not
 * exist, and the branch is removed at load time. Returns false if the code cannot be read.
 */
static __always_inline bool kvmx_read_exit_code(const struct kvm_vcpu *vcpu, __u32 isa,
                                                __u32 *code) {
  if (isa == KVMX_ISA_VMX) {
    const struct vcpu_vmx *vmx = (const void *)vcpu;
    const struct vcpu_vmx___vt *vmx_vt = (const void *)vcpu;
    if (bpf_core_field_exists(vmx_vt->vt))
      return !BPF_CORE_READ_INTO(code, vmx_vt, vt.exit_reason.full);
    if (bpf_core_field_exists(vmx->exit_reason))
      return !BPF_CORE_READ_INTO(code, vmx, exit_reason.full);
    return false;
  }
  if (isa == KVMX_ISA_SVM) {
    const struct vcpu_svm *svm = (const void *)vcpu;
    if (bpf_core_field_exists(svm->vmcb))
      return !BPF_CORE_READ_INTO(code, svm, vmcb, control.exit_code);
  }
  return false;
}

/*
 * Whether an interrupt was taken: the running thread then has nothing to do with the event.
 * Interrupts have stacks of their own, and the arguments of a raw tracepoint are on the stack, so
 * the address of `context` tells. (There is no helper to ask, and the kernel's own count is in a
 * per-CPU variable that programs reach only where data symbols are kept.)
 */
#define KVMX_STACK_SIZE 16384 /* THREAD_SIZE on x86-64 */
static __always_inline bool kvmx_in_interrupt(const void *context) {
  const struct task_struct *task = (const void *)bpf_get_current_task();
  const __u64 pointer = (__u64)context;
  __u64 address = 0; /* the pointer as a plain number, which the verifier lets us subtract from */
  bpf_probe_read_kernel(&address, sizeof(address), &pointer);
  return address - (__u64)BPF_CORE_READ(task, stack) >= KVMX_STACK_SIZE;
}

/* The running thread, and the process it belongs to. */
struct kvmx_thread {
  __u64 start; /* task_struct.start_time: what tells a reused tid from the thread that had it */
  __u64 pid_tgid;
};

/* For tp_btf programs: direct loads (bpf_get_current_task_btf is of 5.11, as is module BTF). */
static __always_inline struct kvmx_thread kvmx_thread_typed(void) {
  const struct task_struct *task = bpf_get_current_task_btf();
  struct kvmx_thread thread = {.start = task->start_time,
                               .pid_tgid = (__u64)(__u32)task->tgid << 32 | (__u32)task->pid};
  return thread;
}

/* For classic tracepoint programs, which exist on kernels without that helper. */
static __always_inline struct kvmx_thread kvmx_thread_classic(void) {
  const struct task_struct *task = (const void *)bpf_get_current_task();
  struct kvmx_thread thread = {.start = BPF_CORE_READ(task, start_time),
                               .pid_tgid = bpf_get_current_pid_tgid()};
  return thread;
}

/* Name of the current process: its threads may bear others. */
static __always_inline void kvmx_process_comm(char comm[KVMX_COMM]) {
  const struct task_struct *task = (const void *)bpf_get_current_task();
  const struct task_struct *leader = BPF_CORE_READ(task, group_leader);
  BPF_CORE_READ_STR_INTO((char(*)[KVMX_COMM])comm, leader, comm);
}

/* Start of the current process, ns since boot: what /proc/PID/stat gives in clock ticks. */
static __always_inline __u64 kvmx_process_start(void) {
  const struct task_struct *task = (const void *)bpf_get_current_task();
  return BPF_CORE_READ(task, group_leader, start_boottime);
}

#endif
