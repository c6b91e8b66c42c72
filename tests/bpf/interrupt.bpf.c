/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What kvmx_in_interrupt() says of events that are known to be raised in one, or not to be. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "../../bpf/lib/interrupt.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum event { TIMER_EXPIRED, SYSTEM_CALL, PAGE_ALLOCATED, EVENTS };

/* 2 * event + (1: in an interrupt) -> how often, of the process that the test has named so. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2 * EVENTS);
  __type(key, __u32);
  __type(value, __u64);
} counts SEC(".maps");

static __always_inline int count(void *context, __u32 event) {
  const char wanted[8] = "kvmx-it";
  char comm[16] = "";
  bpf_get_current_comm(comm, sizeof(comm));
  for (int i = 0; i < 8; i++)
    if (comm[i] != wanted[i]) return 0;
  const __u32 key = 2 * event + kvmx_in_interrupt(context);
  __u64 *found = bpf_map_lookup_elem(&counts, &key);
  if (found) __sync_fetch_and_add(found, 1);
  return 0;
}

SEC("raw_tp/hrtimer_expire_entry") int timer_expired(void *context) {
  return count(context, TIMER_EXPIRED);
}
SEC("raw_tp/sys_enter") int system_call(void *context) { return count(context, SYSTEM_CALL); }
SEC("raw_tp/mm_page_alloc") int page_allocated(void *context) {
  return count(context, PAGE_ALLOCATED);
}
