/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What bpf/profile.bpf.c counts, as the exporter reads it. */
#ifndef KVMX_EXIT_PROFILE_H
#define KVMX_EXIT_PROFILE_H

#include <linux/types.h>

#include "vcpu_slot.h"

#define KVMX_PROFILE_PLACES 32768 /* distinct profile_key; further ones count by reason alone */
#define KVMX_PROFILE_REASONS 256  /* distinct reasons of those */
#define KVMX_PROFILE_THREADS 8192 /* threads whose MSRs are known */
#define KVMX_PROFILE_CHOSEN 16    /* reasons that may be chosen */

/* What an exit accessed. An MSR's index is known once KVM has handled the exit. */
enum kvmx_access {
  KVMX_ACCESS_NONE,
  KVMX_ACCESS_MSR_READ,
  KVMX_ACCESS_MSR_WRITE,
  KVMX_ACCESS_ANY_MSR_READ, /* KVM did not tell which */
  KVMX_ACCESS_ANY_MSR_WRITE,
  KVMX_ACCESS_PORT_READ,
  KVMX_ACCESS_PORT_WRITE,
};

struct profile_key {
  __u64 rip; /* the guest's instruction pointer at the exit, as KVM's own record has it */
  __u32 vcpu_id;
  __u32 reason; /* without the flags that VMX has above its basic reasons */
  __u32 access; /* enum kvmx_access */
  __u32 number; /* of the MSR or port; 0 if there is none */
};

KVMX_STATIC_ASSERT(sizeof(struct profile_key) == 24, "as long as the sum of its members");

/* A thread that runs vCPUs, between an exit and KVM's word which MSR it was for. */
struct profile_thread {
  struct profile_key exit;
  __u32 waiting; /* `exit` is not counted yet */
  __u32 icr;     /* KVM has told of a write to the ICR whose exit is still to come */
};

/* Where the fields are in the records of kvm_exit and kvm_msr, in bytes. */
struct profile_record_offsets {
  __u32 exit_reason;
  __u32 exit_rip;
  __u32 exit_info1;
  __u32 exit_vcpu_id;
  __u32 msr_write;
  __u32 msr_ecx;
};

#define KVMX_PROFILE_RECORD 128 /* bytes of a record that are looked at */

#endif
