/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The maps. Sizes marked "set by the exporter" follow --bpf.max-vcpus and are set before loading.
 * Hash maps are allocated as a whole: one that allocates as it fills up makes Linux 5.10 warn, and
 * taints it, when a tracing program with such a map is loaded.
 */
#ifndef KVMX_MAPS_BPF_H
#define KVMX_MAPS_BPF_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "../vcpu_slot.h"

/* Slot index -> slot. Set by the exporter: one a vCPU. Full: see free_slots. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct vcpu_slot);
} slots SEC(".maps");

/*
 * Indices of the free slots, every one of them zeroed. Filled by the exporter, at start and when a
 * VM is gone. Set by the exporter: as many as slots. Empty: the event counts as lost (table_full).
 */
struct {
  __uint(type, BPF_MAP_TYPE_QUEUE);
  __uint(max_entries, 1);
  __type(value, __u32);
} free_slots SEC(".maps");

/*
 * Slot index -> counters of the opt-in events. Set by the exporter: as many as slots, or one while
 * no such event is selected.
 */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct event_counts);
} events SEC(".maps");

/*
 * Slot index -> ports, pages and interrupt lines. Set by the exporter: as many as slots, or one
 * while neither collector is selected.
 */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct io_counts);
} io SEC(".maps");

/* Slot index -> the exporter's last exported times. Set by the exporter: as many as slots. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct exported_times);
} exported SEC(".maps");

/*
 * Process (tgid) that has run a vCPU -> its start, ns since boot. Set by the exporter: twice slots.
 * Full: events of that VM's other threads count as lost (unattributed).
 */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} vm_processes SEC(".maps");

/* vCPU -> slot index. Set by the exporter: twice slots. Full: counted as lost (map_full). */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1);
  __type(key, struct vcpu_key);
  __type(value, __u32);
} slot_of_vcpu SEC(".maps");

/*
 * Thread (tid) -> index of the slot of the vCPU that it runs now. Set by the exporter: twice slots.
 * Full: counted as lost (map_full).
 */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
} slot_of_thread SEC(".maps");

/*
 * vCPU (struct kvm_vcpu *) -> the process that made it, until KVM destroys it. Set by the exporter:
 * four times slots. Full: the one used least gives way, for there may be any number of vCPUs that
 * never run. One that has run is remembered by its slot; the VM of another is taken for one of the
 * process that runs it.
 */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1);
  __type(key, __u64);
  __type(value, struct vcpu_maker);
} vcpu_makers SEC(".maps");

/*
 * Thread -> id of the vCPU that it is making; only where KVM has no BTF. An entry is of use for a
 * moment, and stays if nothing comes of the vCPU. Full: the one used least gives way.
 */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 4096);
  __type(key, __u64);
  __type(value, __u32);
} vcpu_ids SEC(".maps");

/*
 * Process and vCPU id -> its vCPUs of that id. Set by the exporter: four times slots. Full: the one
 * used least gives way; events that name its vCPU by the id alone, and that another thread raises,
 * are counted in slots of that thread.
 */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1);
  __type(key, struct vcpu_id_key);
  __type(value, struct vcpus_of_id);
} vcpus_by_id SEC(".maps");

/*
 * Indices of new slots. They wake the exporter, so that it identifies a short-lived VM before it is
 * gone. Full: nothing is lost, because the exporter also looks once a second.
 */
struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} new_slots SEC(".maps");

/* enum kvmx_loss -> events. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, KVMX_LOSSES);
  __type(key, __u32);
  __type(value, __u64);
} lost SEC(".maps");

/*
 * CPU -> index of the slot it used last, a cache line each. This is only a hint: programs check the
 * owner that is stored in the slot itself, so a stale entry, or one that two CPUs share, costs time
 * and nothing else. No x86-64 machine has more CPUs than there are hints; and Linux 5.10 needs this
 * array in one piece for a moment while it is loaded, so that it cannot be as large as NR_CPUS
 * asks.
 */
#define KVMX_HINTS 2048
#define KVMX_HINT_WORDS 16
KVMX_STATIC_ASSERT((KVMX_HINTS & (KVMX_HINTS - 1)) == 0, "the hint of a CPU is found by a mask");
__u32 last_slot[KVMX_HINTS][KVMX_HINT_WORDS];

static __always_inline void kvmx_count_lost_event(__u32 cause) {
  __u64 *events = bpf_map_lookup_elem(&lost, &cause);
  if (events) __sync_fetch_and_add(events, 1);
}

#endif
