/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Lists the threads that work for VMs, with the CPU time that the scheduler says they had: an
 * iterator over all tasks, which writes a struct listed_thread for each thread of the processes in
 * the map `processes`, and for each of the kernel's own threads that vhost or KVM made.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "iterator_types.bpf.h"
#include "listed_thread.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* task_struct.flags, from include/linux/sched.h. */
#define KVMX_PF_USER_WORKER 0x00004000 /* since 6.4, 54e6842d0775 */
#define KVMX_PF_KTHREAD 0x00200000

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1); /* set by the exporter */
  __type(key, __u32);     /* process id of a VM */
  __type(value, __u32);
} processes SEC(".maps");

static __always_inline bool begins_with(const char *name, const char *prefix, __u32 length) {
  for (__u32 i = 0; i < length; i++)
    if (name[i] != prefix[i]) return false;
  return true;
}

#define BEGINS_WITH(name, prefix) begins_with(name, prefix, sizeof(prefix) - 1)

SEC("iter/task")
int list_threads(struct bpf_iter__task *context) {
  struct task_struct *task = context->task;
  struct listed_thread listed = {};
  if (!task) return 0;
  listed.tgid = task->tgid;
  const __u32 flags = task->flags;
  const bool of_kernel = flags & KVMX_PF_KTHREAD;
  if (!of_kernel && !bpf_map_lookup_elem(&processes, &listed.tgid)) return 0;
  bpf_probe_read_kernel_str(listed.comm, sizeof(listed.comm), task->comm);
  const bool of_vhost = BEGINS_WITH(listed.comm, "vhost-");
  if (of_kernel && !of_vhost && !BEGINS_WITH(listed.comm, "kvm-pit/")) return 0;
  listed.origin = of_kernel                                   ? KVMX_THREAD_KERNEL
                  : of_vhost && (flags & KVMX_PF_USER_WORKER) ? KVMX_THREAD_VHOST
                                                              : KVMX_THREAD_OF_PROCESS;
  listed.tid = task->pid;
  listed.start = task->start_time;
  listed.vm_start = task->group_leader->start_boottime;
  listed.runtime_ns = task->se.sum_exec_runtime;
  if (bpf_core_field_exists(task->sched_info.run_delay))
    listed.run_delay_ns = task->sched_info.run_delay;
  listed.ended_ns = task->signal->sum_sched_runtime;
  bpf_seq_write(context->meta->seq, &listed, sizeof(listed));
  return 0;
}
