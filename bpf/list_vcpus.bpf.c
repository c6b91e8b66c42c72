/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Lists the vCPUs that exist, whether or not they ever ran: an iterator over the open files of all
 * processes, which writes a struct listed_vcpu for each that is a vCPU. It needs no more rights
 * than the other programs do; reading /proc/PID/fd needs CAP_SYS_PTRACE.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "iterator_types.bpf.h"
#include "listed_vcpu.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define KVMX_ANON_INODE_FS 0x09041934 /* ANON_INODE_FS_MAGIC of linux/magic.h */

/* Whether a file is one of those that KVM makes for vCPUs: no file system's file has this name. */
static __always_inline bool is_vcpu(const struct file *file, char name[KVMX_VCPU_NAME]) {
  if (file->f_inode->i_sb->s_magic != KVMX_ANON_INODE_FS) return false;
  bpf_probe_read_kernel_str(name, KVMX_VCPU_NAME, file->f_path.dentry->d_name.name);
  for (__u32 i = 0; i < sizeof(KVMX_VCPU_PREFIX) - 1; i++)
    if (name[i] != KVMX_VCPU_PREFIX[i]) return false;
  return true;
}

SEC("iter/task_file")
int list_vcpus(struct bpf_iter__task_file *context) {
  const struct task_struct *task = context->task;
  const struct file *file = context->file;
  struct listed_vcpu listed = {};
  if (!task || !file || !is_vcpu(file, listed.name)) return 0;
  const struct kvm_vcpu *vcpu = file->private_data;
  listed.vcpu = (__u64)vcpu;
  if (bpf_core_field_exists(vcpu->kvm)) {
    const struct kvm *kvm = BPF_CORE_READ(vcpu, kvm);
    /* Only threads of the VM's own memory may run its vCPUs. Others merely hold a descriptor. */
    if (BPF_CORE_READ(kvm, mm) != task->mm) return 0;
    listed.kvm = (__u64)kvm;
    listed.asleep = BPF_CORE_READ(vcpu, wait.task) != NULL;
    if (bpf_core_field_exists(vcpu->stat.generic.halt_poll_fail_ns))
      listed.poll_failed_ns = BPF_CORE_READ(vcpu, stat.generic.halt_poll_fail_ns);
    if (bpf_core_type_exists(struct kvm_pit))
      listed.pit_tid = BPF_CORE_READ(kvm, arch.vpit, worker, task, pid);
  }
  listed.tgid = task->tgid;
  listed.vm_start = task->group_leader->start_boottime;
  bpf_probe_read_kernel_str(listed.comm, sizeof(listed.comm), task->group_leader->comm);
  bpf_seq_write(context->meta->seq, &listed, sizeof(listed));
  return 0;
}
