/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The few kernel types we read, and every difference between kernels in how they are read, with the
 * version of Linux and the commit that it comes from, where that is known. Offsets are relocated at
 * load time (CO-RE) against the running kernel's and its modules' BTF; only the members named here
 * are read.
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

/* How long a thread ran, and waited on a run queue, ns. The latter with CONFIG_SCHED_INFO only. */
struct sched_entity {
  __u64 sum_exec_runtime;
};

struct sched_info {
  unsigned long long run_delay;
};

struct signal_struct {
  unsigned long long sum_sched_runtime; /* of the process's threads that have ended, ns */
};

struct task_struct {
  void *stack;
  unsigned int flags;
  struct sched_entity se;
  struct sched_info sched_info;
  struct signal_struct *signal;
  int pid;
  int tgid;
  __u64 start_time;
  __u64 start_boottime;
  struct task_struct *group_leader;
  struct mm_struct *mm;
  char comm[KVMX_COMM];
};

/* Of RHEL 8, too. Renamed in 5.5, cf25e24db61c. */
struct task_struct___before_5_5 {
  struct task_struct___before_5_5 *group_leader;
  __u64 real_start_time;
};

struct kthread_worker {
  struct task_struct *task;
};

struct kvm_pit {
  struct kthread_worker *worker; /* raises the interrupts of KVM's own timer chip */
};

struct kvm_arch {
  struct kvm_pit *vpit; /* NULL: the VM has none */
};

/* The kernel's array that grows. Its entries are in nodes of nodes. */
struct xa_node {
  void *slots[1];
};

struct xarray {
  void *xa_head; /* the only entry, or a node with XA_INTERNAL set */
};

struct kvm {
  struct mm_struct *mm; /* of the process that made it */
  struct kvm_arch arch;
  struct xarray vcpu_array; /* since 5.17, c5b077549136 */
};

struct kvm___vcpus {
  struct kvm_vcpu *vcpus[1]; /* up to 5.16 */
};

struct kvm_queued_exception {
  bool pending;
  bool injected;
  __u8 vector;
};

struct kvm_vcpu_arch {
  unsigned long regs[4]; /* by enum kvmx_register */
  __u32 hflags;
  struct kvm_queued_exception exception;
};

struct rcuwait {
  struct task_struct *task; /* NULL: nobody sleeps */
};

struct kvm_vcpu_stat_generic {
  __u64 halt_poll_fail_ns; /* polled for wake-ups that did not come */
};

struct kvm_vcpu_stat {
  struct kvm_vcpu_stat_generic generic; /* since 5.14, 0193cc908b5a */
};

/* What KVM_RUN shares with the VMM. */
struct kvm_run {
  __u32 exit_reason; /* KVM_EXIT_* */
};

struct kvm_vcpu {
  struct kvm *kvm;
  int vcpu_id;
  struct kvm_run *run;
  struct rcuwait wait; /* since 5.8, da4ad88cab58; of the thread in kvm_vcpu_block() */
  struct kvm_vcpu_arch arch;
  struct kvm_vcpu_stat stat;
};

union vmx_exit_reason {
  __u32 full;
};

/* Since 6.15 VMX and TDX vCPUs share the members that both have in a struct vcpu_vt. */
struct vcpu_vt {
  union vmx_exit_reason exit_reason;
  unsigned long exit_qualification; /* as KVM last read it */
};

struct vcpu_vmx___vt {
  struct vcpu_vt vt;
};

struct vcpu_vmx {
  union vmx_exit_reason exit_reason; /* up to 6.14; a union since 5.11, 8e5332402164 */
};

struct vmcb_control_area {
  __u32 exit_code; /* since 7.0, d7507a94a072: a u64, whose low half has the same offset */
  __u64 exit_info_1;
};

struct vmcb {
  struct vmcb_control_area control;
};

struct vcpu_svm {
  struct vmcb *vmcb;
};

/* What a kprobe has of a function's first two arguments. */
struct pt_regs {
  unsigned long si;
  unsigned long di;
};

/* kvm_amd's data of a CPU. */
struct svm_cpu_data {
  struct vmcb *current_vmcb; /* of the vCPU last loaded on it; in 6.1 and 6.12, not in 7.2 */
};

#pragma clang attribute pop

/* kvm_vcpu_arch.regs[], in the order of the hardware's encoding. */
enum kvmx_register { KVMX_RAX = 0, KVMX_RCX = 1, KVMX_RDX = 2 };
#define KVMX_GP_VECTOR 13 /* general protection fault */

const volatile __u32 kvmx_isa; /* enum kvmx_isa of the host. Set by the exporter. */

/*
 * A kernel without BTF (CONFIG_DEBUG_INFO_BTF) has its own compilation of the programs: to libbpf
 * no type exists there, so that nothing is read from the kernel's structs, and no function of the
 * kernel may be named. What such programs cannot know, the exporter says.
 */
#ifdef KVMX_NO_BTF
#define KVMX_HAS_RDONLY_CAST false
static __always_inline void *bpf_rdonly_cast(const void *object, __u32 btf_id) { return NULL; }
#else
/* Since 6.2, a35b9af4ec2c. The verifier replaces the call by its first argument. */
extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __ksym __weak;

/* The verifier's own list of such functions: a kernel that has this one has its enumerator. */
enum special_kfunc_type { KF_bpf_rdonly_cast };

#define KVMX_HAS_RDONLY_CAST bpf_core_enum_value_exists(enum special_kfunc_type, KF_bpf_rdonly_cast)
#endif

/* A struct that every vmlinux has, and that begins with 64 bits which are no pointer. */
struct timespec64 {
  __s64 tv_sec;
} __attribute__((preserve_access_index));

/*
 * The 64 bits at a kernel address, where there is bpf_rdonly_cast(): one load, in place of the 90
 * instructions of bpf_probe_read_kernel(). The cast must be to a type of vmlinux, and before 6.17
 * (f2362a57aeff) not to `void`, so it is to a struct that begins with 64 bits.
 */
static __always_inline __u64 kvmx_load(__u64 address) {
  const __u32 type = bpf_core_type_id_kernel(struct timespec64);
  return ((const struct timespec64 *)bpf_rdonly_cast((void *)address, type))->tv_sec;
}

/* The same for a pointer that a program may dereference but not turn into a number. */
static __always_inline __u64 kvmx_load_at(const void *object, __u32 offset) {
  const __u32 type = bpf_core_type_id_kernel(struct timespec64);
  const struct timespec64 *found = bpf_rdonly_cast((const char *)object + offset, type);
  return found->tv_sec;
}

static __always_inline bool kvmx_probe(__u64 address, __u64 *value) {
  return !bpf_probe_read_kernel(value, sizeof(*value), (void *)address);
}

/* The exit code without the flags that VMX has above its basic reasons, such as FAILED_VMENTRY. */
static __always_inline __u64 kvmx_exit_code(__u32 isa, __u64 reason) {
  return isa == KVMX_ISA_VMX ? reason & 0xffff : reason;
}

/*
 * kvm_amd's own variable, one a CPU. The verifier knows its type from the module's BTF, so what it
 * points to is loaded directly; a vcpu_svm made of a kvm_vcpu is not. Up to 6.0 the variable is a
 * pointer. A reference to a variable of another type cannot be left out at load time: no program
 * would load. So the programs are compiled with and without it, and the exporter chooses.
 */
#ifdef KVMX_SVM_DATA
extern const struct svm_cpu_data svm_data __ksym;

/* The exit code from this CPU's VMCB. Returns false if that is not slot->vmcb. */
static __always_inline bool kvmx_svm_code_here(const struct vcpu_slot *slot, __u64 *code) {
  const struct svm_cpu_data *here = bpf_this_cpu_ptr(&svm_data);
  const struct vmcb *vmcb = here->current_vmcb;
  if (!vmcb || (__u64)vmcb != slot->vmcb) return false;
  *code = vmcb->control.exit_code;
  return true;
}
#endif

/* The exit code's place in a VMCB is the hardware's (AMD's manual, volume 2, appendix B). */
#define KVMX_VMCB_EXIT_CODE 0x70
#define KVMX_VMCB_EXIT_INFO_1 0x78
#define KVMX_HF_GUEST 0x20 /* in kvm_vcpu_arch.hflags: a nested guest runs */

/* The exit code by two reads, one after the other, for kernels without bpf_rdonly_cast(). */
static __noinline bool kvmx_probe_svm_code(struct vcpu_slot *slot, bool nested, __u64 *code) {
  const struct vcpu_svm *svm = 0;
  const struct vmcb *vmcb = 0;
  __u64 address, value;
  if (!code) return false; /* never null; the verifier wants the check */
  if (!kvmx_probe(slot->vcpu + bpf_core_field_offset(svm->vmcb), &address)) return false;
  if (!kvmx_probe(address + bpf_core_field_offset(vmcb->control.exit_code), &value)) return false;
  if (!nested) slot->vmcb = address;
  *code = value;
  return true;
}

/*
 * The hardware's exit code of the exit that `vcpu`, of this slot, just took. vcpu_vmx and vcpu_svm
 * both begin with their kvm_vcpu, so one address serves. Where `isa`'s module is not loaded its
 * types do not exist, and all of it is removed at load time. Returns false if the code cannot be
 * read.
 */
static __always_inline bool kvmx_read_vmx_reason(struct vcpu_slot *slot,
                                                 const struct kvm_vcpu *vcpu, __u64 *code) {
  const struct vcpu_vmx *vmx = 0;
  const struct vcpu_vmx___vt *vmx_vt = 0;
  __u64 address = slot->vcpu; /* a number, unlike `vcpu` */
  if (bpf_core_field_exists(vmx_vt->vt))
    address += bpf_core_field_offset(vmx_vt->vt.exit_reason.full);
  else if (bpf_core_field_exists(vmx->exit_reason))
    address += bpf_core_field_offset(vmx->exit_reason.full);
  else
    return false;
  if (KVMX_HAS_RDONLY_CAST) {
    *code = kvmx_exit_code(KVMX_ISA_VMX, kvmx_load(address));
    return true;
  }
  __u64 reason;
  if (!kvmx_probe(address, &reason)) return false;
  *code = kvmx_exit_code(KVMX_ISA_VMX, reason);
  return true;
}

/*
 * A vCPU has one VMCB for its guest and another for nested guests. Where there is no
 * bpf_rdonly_cast(), slot->vmcb keeps the first. If that is also the CPU's, and no nested guest
 * runs, the hardware wrote the exit code to it.
 */
static __always_inline bool kvmx_read_svm_code(struct vcpu_slot *slot, const struct kvm_vcpu *vcpu,
                                               __u64 *code) {
  const struct vcpu_svm *svm = 0;
  if (!bpf_core_field_exists(svm->vmcb)) return false;
  if (KVMX_HAS_RDONLY_CAST) {
    const __u64 control = kvmx_load(slot->vcpu + bpf_core_field_offset(svm->vmcb));
    *code = kvmx_load(control + KVMX_VMCB_EXIT_CODE);
    return true;
  }
  bool nested = false;
#ifdef KVMX_SVM_DATA
  if (!vcpu) return false; /* never null; the verifier wants the check */
  nested = vcpu->arch.hflags & KVMX_HF_GUEST;
  if (!nested && kvmx_svm_code_here(slot, code)) return true;
#endif
  __u64 value; /* passing `code` itself would force it into memory on all paths */
  if (!kvmx_probe_svm_code(slot, nested, &value)) return false;
  *code = value;
  return true;
}

/*
 * Whether the MSR access that an SVM vCPU has just exited for is a write. slot->vmcb is the VMCB of
 * its own guest; of a nested guest, and where nothing is known yet, the vCPU tells.
 */
static __always_inline bool kvmx_svm_msr_is_write(const struct vcpu_slot *slot,
                                                  const struct kvm_vcpu *vcpu) {
  const struct vcpu_svm *svm = 0;
  __u64 control, info;
  if (!bpf_core_field_exists(svm->vmcb)) return false;
  const __u64 pointer = slot->vcpu + bpf_core_field_offset(svm->vmcb);
  if (KVMX_HAS_RDONLY_CAST) return kvmx_load(kvmx_load(pointer) + KVMX_VMCB_EXIT_INFO_1) & 1;
#ifdef KVMX_SVM_DATA
  const struct svm_cpu_data *here = bpf_this_cpu_ptr(&svm_data);
  const struct vmcb *vmcb = here->current_vmcb;
  const bool nested = vcpu->arch.hflags & KVMX_HF_GUEST;
  if (!nested && vmcb && (__u64)vmcb == slot->vmcb) return vmcb->control.exit_info_1 & 1;
#endif
  if (!kvmx_probe(pointer, &control)) return false;
  return kvmx_probe(control + KVMX_VMCB_EXIT_INFO_1, &info) && info & 1;
}

/*
 * RDMSR and WRMSR with an immediate: KVM reads the MSR's index from the exit qualification. Returns
 * false if it cannot be read.
 */
static __always_inline bool kvmx_read_immediate_msr(const struct vcpu_slot *slot, __u32 *index) {
  const struct vcpu_vmx___vt *vmx = 0;
  __u64 qualification;
  if (!bpf_core_field_exists(vmx->vt.exit_qualification)) return false;
  if (!kvmx_probe(slot->vcpu + bpf_core_field_offset(vmx->vt.exit_qualification), &qualification))
    return false;
  *index = qualification;
  return true;
}

/* What a WRMSR writes. */
static __always_inline __u64 kvmx_msr_data(__u64 rax, __u64 rdx) { return (__u32)rax | rdx << 32; }

/* Whether the vCPU's last access to an MSR faulted: the guest goes on with its handler of #GP. */
static __always_inline bool kvmx_is_fault(bool pending, bool injected, __u8 vector) {
  return (pending || injected) && vector == KVMX_GP_VECTOR;
}

/* `pending` and `injected` are bytes beside each other, and one load of both takes half of two. */
static __always_inline bool kvmx_msr_faulted(const struct kvm_vcpu *vcpu) {
  const struct kvm_queued_exception *exception = &vcpu->arch.exception;
  const __u32 pending = bpf_core_field_offset(vcpu->arch.exception.pending);
  const __u32 injected = bpf_core_field_offset(vcpu->arch.exception.injected);
  if (KVMX_HAS_RDONLY_CAST && injected == pending + 1 && !(kvmx_load_at(vcpu, pending) & 0x0101))
    return false;
  return kvmx_is_fault(exception->pending, exception->injected, exception->vector);
}

#define KVMX_XA_INTERNAL 2     /* lib/xarray: an entry's low two bits, if it is the array's own */
#define KVMX_XA_LAST_MARK 4096 /* such an entry up to here is no node */
#define KVMX_XA_NODES 3        /* from head to entry, at most: KVM allows 4096 vCPUs, 64 a node */

/* The first vCPU of a VM, whose pointer may have been read from anywhere. 0: it has none yet, or
 * it cannot be read. */
static __always_inline __u64 kvmx_first_vcpu(const struct kvm *kvm) {
  const struct kvm___vcpus *old = (const void *)kvm;
  if (bpf_core_field_exists(old->vcpus)) return (__u64)BPF_CORE_READ(old, vcpus[0]);
  if (!bpf_core_field_exists(kvm->vcpu_array)) return 0;
  __u64 entry = (__u64)BPF_CORE_READ(kvm, vcpu_array.xa_head);
  for (int i = 0; i < KVMX_XA_NODES && (entry & 3) == KVMX_XA_INTERNAL; i++) {
    if (entry <= KVMX_XA_LAST_MARK) return 0;
    const struct xa_node *node = (const void *)(entry - KVMX_XA_INTERNAL);
    entry = (__u64)BPF_CORE_READ(node, slots[0]);
  }
  return entry & 3 ? 0 : entry;
}

#endif
