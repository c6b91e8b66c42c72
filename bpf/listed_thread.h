/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * One thread that works for a VM, and the CPU time that it had, as bpf/list_threads.bpf.c writes it
 * and the exporter reads it.
 */
#ifndef KVMX_LISTED_THREAD_H
#define KVMX_LISTED_THREAD_H

#include "vcpu_slot.h"

enum kvmx_thread_origin {
  KVMX_THREAD_OF_PROCESS = 0, /* made by the VMM */
  KVMX_THREAD_VHOST = 1, /* of the VMM's process, but run by the kernel for vhost: Linux 6.4 on */
  KVMX_THREAD_KERNEL = 2 /* the kernel's own; its name says for whom */
};

struct listed_thread {
  __u64 start;        /* of the thread, ns (CLOCK_MONOTONIC) */
  __u64 vm_start;     /* of its process, ns since boot (CLOCK_BOOTTIME) */
  __u64 runtime_ns;   /* CPU time */
  __u64 run_delay_ns; /* time in which it could have run but waited for a CPU */
  __u64 ended_ns;     /* CPU time of the process's threads that have ended */
  __u32 tid;
  __u32 tgid;
  __u32 origin; /* enum kvmx_thread_origin */
  __u32 unused;
  char comm[KVMX_COMM];
};

KVMX_STATIC_ASSERT(sizeof(struct listed_thread) == 72, "as long as the sum of its members");

#endif
