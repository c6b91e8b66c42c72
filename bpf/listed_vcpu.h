/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * One vCPU that exists, as bpf/list_vcpus.bpf.c writes it and the exporter reads it. A vCPU is
 * listed once for every descriptor that someone has of it.
 */
#ifndef KVMX_LISTED_VCPU_H
#define KVMX_LISTED_VCPU_H

#include "vcpu_slot.h"

#define KVMX_VCPU_NAME 24
#define KVMX_VCPU_PREFIX "kvm-vcpu:"

struct listed_vcpu {
  __u64 vcpu;     /* struct kvm_vcpu * */
  __u64 kvm;      /* struct kvm *, 0 where the kernel does not describe its types */
  __u64 vm_start; /* start of the process, ns since boot (CLOCK_BOOTTIME) */
  __u32 tgid;
  char comm[KVMX_COMM];      /* name of the process */
  char name[KVMX_VCPU_NAME]; /* what KVM calls the descriptor: KVMX_VCPU_PREFIX and its id */
  __u32 asleep;              /* 1: halted and asleep; 0: not, or unknown (no BTF of KVM) */
  __u64 poll_failed_ns;      /* polled for wake-ups that did not come; 0: not, or unknown */
  __u32 pit_tid;             /* the kernel's thread for the VM's timer chip; 0: none, or unknown */
  __u32 unused;
};

KVMX_STATIC_ASSERT(sizeof(struct listed_vcpu) == 88, "as long as the sum of its members");

#endif
