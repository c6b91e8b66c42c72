/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Offsets of the fields that the tracepoint programs read of an event's record, in bytes. The
 * exporter finds them in the event's tracefs `format` file and sets them before loading.
 */
#ifndef KVMX_RECORD_OFFSETS_H
#define KVMX_RECORD_OFFSETS_H

#include <linux/types.h>

struct record_offsets {
  __u32 exit_reason;
  __u32 exit_vcpu_id;
  __u32 entry_vcpu_id;
  __u32 msr_write;
  __u32 msr_ecx;
  __u32 msr_data;
  __u32 msr_exception;
  __u32 timer_vcpu_id;
  __u32 timer_in_use;
  __u32 wakeup_ns;
  __u32 wakeup_waited;
  __u32 userspace_reason;
  __u32 userspace_errno;
  __u32 pio_write;
  __u32 pio_port;
  __u32 mmio_type;
  __u32 mmio_gpa;
  __u32 fast_mmio_gpa;
  __u32 line_gsi;
  __u32 freed_pid;
  __u32 reflected_code;
};

#endif
