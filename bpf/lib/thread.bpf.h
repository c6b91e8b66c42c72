/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The current thread and its process: who they are, and since when, which tells them from others
 * that had the same id before.
 *
 * A kernel without BTF does not say since when. There a process counts from its first event on,
 * which is noted in vm_processes, and so do its threads; and the kernel tells which of them are
 * gone.
 */
#ifndef KVMX_THREAD_BPF_H
#define KVMX_THREAD_BPF_H

#include "../kvm_types.bpf.h"
#include "maps.bpf.h"

/*
 * Start of the current thread, ns (CLOCK_MONOTONIC): it differs where a tid or a pointer to a vCPU
 * is reused. For tp_btf programs, whose kernels have bpf_get_current_task_btf() (5.11,
 * 3ca1032ab7ab) as they have module BTF (5.11): a direct load.
 */
static __always_inline __u64 kvmx_thread_start(void) {
  return bpf_get_current_task_btf()->start_time;
}

/* When the current process was first seen, ns since boot. Of two threads that come at once, one
 * says when. */
static __noinline __u64 kvmx_process_first_seen(void) {
  const __u32 tgid = bpf_get_current_pid_tgid() >> 32;
  const __u64 *seen = bpf_map_lookup_elem(&vm_processes, &tgid);
  if (seen) return *seen;
  const __u64 now = bpf_ktime_get_boot_ns();
  bpf_map_update_elem(&vm_processes, &tgid, &now, BPF_NOEXIST);
  seen = bpf_map_lookup_elem(&vm_processes, &tgid);
  return seen ? *seen : now;
}

/* Whether the current process may have a VM: without BTF it is looked for only in processes that
 * have run a vCPU, because a look makes a process one that was seen. */
static __always_inline bool kvmx_may_have_vm(void) {
#ifdef KVMX_NO_BTF
  const __u32 tgid = bpf_get_current_pid_tgid() >> 32;
  return bpf_map_lookup_elem(&vm_processes, &tgid) != NULL;
#else
  return true;
#endif
}

/* Start of the current process, ns since boot: what /proc/PID/stat gives in clock ticks. */
static __always_inline __u64 kvmx_process_start(void) {
  const struct task_struct *task = (const void *)bpf_get_current_task();
  const struct task_struct___before_5_5 *old = (const void *)task;
  if (bpf_core_field_exists(task->start_boottime))
    return BPF_CORE_READ(task, group_leader, start_boottime);
  if (bpf_core_field_exists(old->real_start_time))
    return BPF_CORE_READ(old, group_leader, real_start_time);
  return kvmx_process_first_seen();
}

/* The current thread and its process; for programs of any type. */
struct kvmx_thread {
  __u64 start;
  __u64 pid_tgid;
};

static __always_inline struct kvmx_thread kvmx_thread_any(void) {
  const struct task_struct *task = (const void *)bpf_get_current_task();
  struct kvmx_thread thread = {.pid_tgid = bpf_get_current_pid_tgid()};
  if (bpf_core_field_exists(task->start_time))
    thread.start = BPF_CORE_READ(task, start_time);
  else
    thread.start = kvmx_process_first_seen();
  return thread;
}

/* Name of the current process. Its threads may have other names; so without BTF there is none. */
static __always_inline void kvmx_process_comm(char comm[KVMX_COMM]) {
  const struct task_struct *task = (const void *)bpf_get_current_task();
  if (!bpf_core_field_exists(task->group_leader)) return;
  const struct task_struct *leader = BPF_CORE_READ(task, group_leader);
  BPF_CORE_READ_STR_INTO((char(*)[KVMX_COMM])comm, leader, comm);
}

#endif
