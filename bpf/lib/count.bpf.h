/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which counter of a slot does a guest's exit code or MSR index belong to? */
#ifndef KVMX_COUNT_BPF_H
#define KVMX_COUNT_BPF_H

#include "../vcpu_slot.h"

/*
 * What the compiler knows of a value's bounds the verifier may not, and a check that only the
 * verifier needs would be dropped: makes the compiler forget, so that the check after it stays.
 */
#define KVMX_FORGET(value) asm volatile("" : "+r"(value))

/* SVM exit code -> dense id, or KVMX_NOT_DENSE; codes from 0x400 after those from 0. */
const volatile __u8 kvmx_svm_dense[KVMX_SVM_CODES];

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
