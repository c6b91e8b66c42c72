/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which counter of a slot does a guest's exit code or MSR index belong to? */
#ifndef KVMX_COUNT_BPF_H
#define KVMX_COUNT_BPF_H

#include "../vcpu_slot.h"

#define KVMX_EINTR 4

/*
 * What the compiler knows of a value's bounds the verifier may not, and a check that only the
 * verifier needs would be dropped: makes the compiler forget, so that the check after it stays.
 */
#define KVMX_FORGET(value) asm volatile("" : "+r"(value))

/* SVM exit code -> dense id, or KVMX_NOT_DENSE; codes from 0x400 after those from 0. */
const volatile __u8 kvmx_svm_dense[KVMX_SVM_CODES];

/* Dense id -> enum kvmx_wait, of the host's isa. */
const volatile __u8 kvmx_wait_exits[KVMX_REASONS];

/* Bounds of the latency buckets, rounded down to whole ns: 10^9 * 2^i / 2^21. */
#define KVMX_LATENCY_BOUND(i) (1000000000ull * (1ull << (i)) >> KVMX_LATENCY_FIRST_LOG2)
static const __u64 kvmx_latency_bounds[KVMX_LATENCY_BOUNDS] = {
    KVMX_LATENCY_BOUND(0),  KVMX_LATENCY_BOUND(1),  KVMX_LATENCY_BOUND(2),  KVMX_LATENCY_BOUND(3),
    KVMX_LATENCY_BOUND(4),  KVMX_LATENCY_BOUND(5),  KVMX_LATENCY_BOUND(6),  KVMX_LATENCY_BOUND(7),
    KVMX_LATENCY_BOUND(8),  KVMX_LATENCY_BOUND(9),  KVMX_LATENCY_BOUND(10), KVMX_LATENCY_BOUND(11),
    KVMX_LATENCY_BOUND(12), KVMX_LATENCY_BOUND(13), KVMX_LATENCY_BOUND(14), KVMX_LATENCY_BOUND(15)};

/* Bits needed to write `value`: 0 for 0, 1 for 1, 2 for 2 and 3, ... 32 for all above 2^31. */
static __always_inline __u32 kvmx_bits(__u64 value) {
  __u32 bits = 0;
  __u32 v = value >> 32 ? 0xffffffffu : value;
  if (v >> 16) bits += 16, v >>= 16;
  if (v >> 8) bits += 8, v >>= 8;
  if (v >> 4) bits += 4, v >>= 4;
  if (v >> 2) bits += 2, v >>= 2;
  if (v >> 1) bits += 1, v >>= 1;
  return bits + v;
}

/*
 * The latency bucket of `ns`. The first bound has 9 bits and each next one a bit more, so the
 * number of bits of `ns` leaves two buckets, and one comparison decides.
 */
static __always_inline __u32 kvmx_latency_bucket(__u64 ns) {
  __u32 bits = kvmx_bits(ns);
  __u32 bucket = bits < 9 ? 0 : bits - 9;
  KVMX_FORGET(bucket);
  if (bucket >= KVMX_LATENCY_BOUNDS) return KVMX_LATENCY_BOUNDS;
  return ns <= kvmx_latency_bounds[bucket] ? bucket : bucket + 1;
}

/* The bucket of a time between two timer programmings. */
static __always_inline __u32 kvmx_interval_bucket(__u64 ns) {
  __u32 bucket = 0;
#define KVMX_TRY(bound)                         \
  if (ns <= (__u64)(bound)*1000) return bucket; \
  bucket++;
  KVMX_INTERVAL_BOUNDS_US(KVMX_TRY)
#undef KVMX_TRY
  return bucket;
}

/* The id of a return to the VMM in vcpu_slot.user_exits[]. */
static __always_inline __u32 kvmx_user_exit_id(__u32 reason, int error) {
  if (error == -KVMX_EINTR) return KVMX_USER_RESTART;
  if (error < 0) return KVMX_USER_ERROR;
  return reason < KVMX_USER_CODES ? reason : KVMX_USER_OTHER;
}

/*
 * Position of `key` among the first *used of `size` keys, taking the next free one if it is new
 * and there is room; else `size`. The key is written before *used says so: readers look at *used
 * first.
 */
static __always_inline __u32 kvmx_spill(__u32 *keys, __u32 *used, __u32 size, __u32 key) {
  __u32 taken = *used;
#pragma unroll
  for (__u32 i = 0; i < size; i++) {
    if (i >= taken) {
      keys[i] = key;
      *(volatile __u32 *)used = i + 1;
      return i;
    }
    if (keys[i] == key) return i;
  }
  return size;
}

/* The id of an exit code in vcpu_slot.reason[]. */
static __always_inline __u32 kvmx_reason_id(struct vcpu_slot *slot, __u32 isa, __u32 code) {
  if (isa == KVMX_ISA_VMX) {
    code &= 0xffff; /* the basic reason; above it are flags such as FAILED_VMENTRY */
    if (code < KVMX_VMX_REASONS) return code;
  } else if (isa == KVMX_ISA_SVM) {
    __u32 entry = KVMX_SVM_CODES;
    if (code < KVMX_SVM_LOW_CODES)
      entry = code;
    else if (code - KVMX_SVM_HIGH_BASE < KVMX_SVM_HIGH_CODES)
      entry = KVMX_SVM_LOW_CODES + (code - KVMX_SVM_HIGH_BASE);
    KVMX_FORGET(entry);
    if (entry < KVMX_SVM_CODES && kvmx_svm_dense[entry] < KVMX_DENSE_REASONS)
      return kvmx_svm_dense[entry];
  }
  return KVMX_DENSE_REASONS +
         kvmx_spill(slot->reason_code, &slot->spill_reasons, KVMX_SPILL_REASONS, code);
}

/* The id of an MSR in vcpu_slot.msr[]. The index is the guest's to choose. */
static __always_inline __u32 kvmx_msr_id(struct vcpu_slot *slot, __u32 index) {
  __u32 id = 0;
#define KVMX_TRY(known)          \
  if (index == known) return id; \
  id++;
  KVMX_WELL_KNOWN_MSRS(KVMX_TRY)
#undef KVMX_TRY
  return KVMX_FIXED_MSRS + kvmx_spill(slot->msr_index, &slot->spill_msrs, KVMX_SPILL_MSRS, index);
}

#endif
