/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Counts the exits of one process's VMs by vCPU, reason, MSR or port, and guest instruction, for as
 * long as somebody asks for it. The record of kvm_exit has the instruction's address on every
 * kernel. A vCPU itself need not: on VMX it is read from the hardware only when it is needed, which
 * is when that record is made.
 */
#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

#include "exit_profile.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Set by the exporter. */
const volatile struct profile_record_offsets kvmx_record;
const volatile __u32 kvmx_process; /* whose exits are counted */
const volatile __u32 kvmx_host_isa;
const volatile __u32 kvmx_chosen; /* how many reasons are chosen; 0: all */
const volatile __u32 kvmx_chosen_reasons[KVMX_PROFILE_CHOSEN];

__u64 kvmx_not_chosen; /* exits for reasons that are not chosen */
__u64 kvmx_unplaced;   /* exits for which there was no room at all */

/* Place -> exits. Full: see `others`. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, KVMX_PROFILE_PLACES);
  __type(key, struct profile_key);
  __type(value, __u64);
} places SEC(".maps");

/* Reason -> exits that have no room in `places`. Full: kvmx_unplaced. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, KVMX_PROFILE_REASONS);
  __type(key, __u32);
  __type(value, __u64);
} others SEC(".maps");

/* Thread (tid) -> its exit that waits for an MSR. Full: exits of further threads do not wait. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, KVMX_PROFILE_THREADS);
  __type(key, __u32);
  __type(value, struct profile_thread);
} threads SEC(".maps");

/* Adds one to the key's counter, which is made if need be. Returns false if there is no room. */
static __always_inline bool add_one(void *map, const void *key) {
  __u64 one = 1;
  __u64 *count = bpf_map_lookup_elem(map, key);
  if (!count) {
    if (!bpf_map_update_elem(map, key, &one, BPF_NOEXIST)) return true;
    count = bpf_map_lookup_elem(map, key); /* another thread may have made it meanwhile */
    if (!count) return false;
  }
  __sync_fetch_and_add(count, 1);
  return true;
}

static __noinline int count_exit(const struct profile_key *exit) {
  if (!exit) return 0; /* never null; the verifier wants the check */
  struct profile_key key = *exit;
  if (add_one(&places, &key)) return 0;
  if (!add_one(&others, &key.reason)) __sync_fetch_and_add(&kvmx_unplaced, 1);
  return 0;
}

/* What an exit of SVM accessed: info1 is EXITINFO1 (AMD's manual, volume 2, 15.10.2, 15.11). */
static __always_inline void read_svm_access(struct profile_key *key, __u64 info1) {
  enum { SVM_IOIO = 0x7b };
  if (key->reason == KVMX_SVM_MSR)
    key->access = info1 & 1 ? KVMX_ACCESS_ANY_MSR_WRITE : KVMX_ACCESS_ANY_MSR_READ;
  if (key->reason != SVM_IOIO) return;
  key->access = info1 & 1 ? KVMX_ACCESS_PORT_READ : KVMX_ACCESS_PORT_WRITE;
  key->number = (__u16)(info1 >> 16);
}

/* The same on VMX, where info1 is the exit qualification (Intel's manual, volume 3, 28.2.1). */
static __always_inline void read_vmx_access(struct profile_key *key, __u64 info1) {
  enum { VMX_IO = 30 };
  if (key->reason == KVMX_VMX_MSR_READ || key->reason == KVMX_VMX_MSR_READ_IMM)
    key->access = KVMX_ACCESS_ANY_MSR_READ;
  if (key->reason == KVMX_VMX_MSR_WRITE || key->reason == KVMX_VMX_MSR_WRITE_IMM)
    key->access = KVMX_ACCESS_ANY_MSR_WRITE;
  if (key->reason != VMX_IO) return;
  key->access = info1 & 8 ? KVMX_ACCESS_PORT_READ : KVMX_ACCESS_PORT_WRITE;
  key->number = (__u16)(info1 >> 16);
}

static __always_inline bool is_chosen(__u32 reason) {
  if (!kvmx_chosen) return true;
  for (__u32 i = 0; i < KVMX_PROFILE_CHOSEN; i++)
    if (i < kvmx_chosen && kvmx_chosen_reasons[i] == reason) return true;
  return false;
}

static __always_inline struct profile_thread *thread_of(__u32 tid) {
  const struct profile_thread fresh = {};
  struct profile_thread *thread = bpf_map_lookup_elem(&threads, &tid);
  if (thread) return thread;
  bpf_map_update_elem(&threads, &tid, &fresh, BPF_NOEXIST);
  return bpf_map_lookup_elem(&threads, &tid);
}

#define X2APIC_ICR 0x830
#define FIELD(type, record, name) (*(const type *)((const char *)(record) + kvmx_record.name))

SEC("tp/kvm/kvm_exit")
int profile_exit(void *context) {
  const __u64 id = bpf_get_current_pid_tgid();
  __u32 tid = id;
  if (id >> 32 != kvmx_process) return 0;
  __u64 record[KVMX_PROFILE_RECORD / sizeof(__u64)];
  if (bpf_probe_read_kernel(record, sizeof(record), context)) {
    __sync_fetch_and_add(&kvmx_unplaced, 1);
    return 0;
  }
  struct profile_key key = {.rip = FIELD(__u64, record, exit_rip),
                            .vcpu_id = FIELD(__u32, record, exit_vcpu_id),
                            .reason = FIELD(__u32, record, exit_reason)};
  const __u64 info1 = FIELD(__u64, record, exit_info1);
  if (kvmx_host_isa == KVMX_ISA_VMX) {
    key.reason &= 0xffff;
    read_vmx_access(&key, info1);
  } else {
    read_svm_access(&key, info1);
  }
  struct profile_thread *thread = bpf_map_lookup_elem(&threads, &tid);
  if (thread && thread->waiting) { /* for an MSR that KVM did not tell */
    thread->waiting = 0;
    count_exit(&thread->exit);
  }
  if (!is_chosen(key.reason)) {
    __sync_fetch_and_add(&kvmx_not_chosen, 1);
    if (thread) thread->icr = 0;
    return 0;
  }
  const bool write = key.access == KVMX_ACCESS_ANY_MSR_WRITE;
  if (write || key.access == KVMX_ACCESS_ANY_MSR_READ) {
    if (!thread) thread = thread_of(tid);
    if (thread && write && thread->icr) {
      key.access = KVMX_ACCESS_MSR_WRITE;
      key.number = X2APIC_ICR;
    } else if (thread) {
      thread->exit = key;
      thread->waiting = 1;
      return 0;
    }
  }
  if (thread) thread->icr = 0;
  return count_exit(&key);
}

/*
 * Mostly raised after kvm_exit, on the same thread. Before 6.2 kvm_amd handles a write to the ICR
 * on a fast path, which raises this event first and kvm_exit only then.
 */
SEC("tp/kvm/kvm_msr")
int profile_msr(void *context) {
  const __u64 id = bpf_get_current_pid_tgid();
  __u32 tid = id;
  if (id >> 32 != kvmx_process) return 0;
  __u64 record[KVMX_PROFILE_RECORD / sizeof(__u64)];
  if (bpf_probe_read_kernel(record, sizeof(record), context)) return 0;
  const bool write = FIELD(__u32, record, msr_write) != 0;
  const __u32 index = FIELD(__u32, record, msr_ecx);
  const bool icr = write && index == X2APIC_ICR;
  struct profile_thread *thread = icr ? thread_of(tid) : bpf_map_lookup_elem(&threads, &tid);
  if (!thread) return 0;
  if (!thread->waiting) {
    thread->icr = icr;
    return 0;
  }
  if (write != (thread->exit.access == KVMX_ACCESS_ANY_MSR_WRITE)) return 0;
  thread->waiting = 0;
  thread->exit.access = write ? KVMX_ACCESS_MSR_WRITE : KVMX_ACCESS_MSR_READ;
  thread->exit.number = index;
  return count_exit(&thread->exit);
}
