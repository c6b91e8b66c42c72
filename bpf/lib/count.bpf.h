/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Which counter of a slot does a guest's exit code or MSR index belong to?
 *
 * The compiler may know bounds of a value that the verifier does not, and then drops a check that
 * only the verifier needs. libbpf's barrier_var() before the check keeps it.
 */
#ifndef KVMX_COUNT_BPF_H
#define KVMX_COUNT_BPF_H

#include <stdbool.h>

#include "../vcpu_slot.h"

#define KVMX_EINTR 4

/* KVM_EXIT_INTR: a signal. */
#define KVMX_USERSPACE_INTR 10

/* KVM_EXIT_X86_RDMSR and KVM_EXIT_X86_WRMSR: the VMM emulates the guest's MSR access. */
#define KVMX_USERSPACE_RDMSR 29
#define KVMX_USERSPACE_WRMSR 30
/* KVM_EXIT_FAIL_ENTRY and KVM_EXIT_INTERNAL_ERROR: KVM could not go on. */
#define KVMX_USERSPACE_FAIL_ENTRY 9
#define KVMX_USERSPACE_INTERNAL_ERROR 17

/* Exit code -> dense id, of the host's isa; see KVMX_CODES. Set by the exporter. */
const volatile __u16 kvmx_dense[KVMX_CODES];

/* Bound of a latency bucket, rounded down to whole ns: 10^9 * 2^i / 2^21. */
#define KVMX_LATENCY_BOUND(i) (1000000000ull * (1ull << (i)) >> KVMX_LATENCY_FIRST_LOG2)

/*
 * Counts `ns` in its latency bucket. The search starts with the shortest: most exits take a
 * microsecond or two, and a longer search belongs to an exit that itself took longer. The asm keeps
 * the compiler from joining the branches, which would add to each what only the join needs.
 */
static __always_inline void kvmx_count_latency(__u64 *buckets, __u64 ns) {
#define KVMX_TRY(i)                  \
  if (ns <= KVMX_LATENCY_BOUND(i)) { \
    buckets[i]++;                    \
    asm volatile("" ::"i"(i));       \
    return;                          \
  }
  /* clang-format off */
  KVMX_TRY(0) KVMX_TRY(1) KVMX_TRY(2) KVMX_TRY(3) KVMX_TRY(4) KVMX_TRY(5) KVMX_TRY(6) KVMX_TRY(7)
  KVMX_TRY(8) KVMX_TRY(9) KVMX_TRY(10) KVMX_TRY(11) KVMX_TRY(12) KVMX_TRY(13) KVMX_TRY(14)
  KVMX_TRY(15)
  /* clang-format on */
#undef KVMX_TRY
          buckets[KVMX_LATENCY_BOUNDS]++;
}

/* Counts a time between two timer programmings in its bucket. The search starts with the buckets
 * of ticks, the most frequent ones. */
static __always_inline void kvmx_count_interval(__u64 *buckets, __u64 ns) {
  __u32 bucket = KVMX_SHORT_INTERVAL_BOUNDS;
#define KVMX_TRY(bound)            \
  if (ns <= (__u64)(bound)*1000) { \
    buckets[bucket]++;             \
    asm volatile("" ::"i"(bound)); \
    return;                        \
  }                                \
  bucket++;
  if (ns > KVMX_SHORT_INTERVAL_US * 1000ull) {
    KVMX_TICK_INTERVAL_BOUNDS_US(KVMX_TRY)
    buckets[bucket]++;
    return;
  }
  bucket = 0;
  KVMX_SHORT_INTERVAL_BOUNDS_US(KVMX_TRY)
#undef KVMX_TRY
}

/* The id of a userspace exit in vcpu_slot.userspace_exits[]. */
static __always_inline __u32 kvmx_userspace_exit_id(__u32 reason, int error) {
  if (error == -KVMX_EINTR) return KVMX_USERSPACE_RESTART;
  if (error < 0) return KVMX_USERSPACE_ERROR;
  return reason < KVMX_USERSPACE_CODES ? reason : KVMX_USERSPACE_OTHER;
}

/*
 * Whether KVM_RUN returns in this way without having told of the MSR access that the exit was for,
 * and will not: the VMM is to answer it, or it failed. After a signal the access has been made.
 */
static __always_inline bool kvmx_ends_without_msr(__u32 reason, int error) {
  if (error < 0) return error != -KVMX_EINTR;
  return reason == KVMX_USERSPACE_RDMSR || reason == KVMX_USERSPACE_WRMSR ||
         reason == KVMX_USERSPACE_FAIL_ENTRY || reason == KVMX_USERSPACE_INTERNAL_ERROR;
}

/*
 * Position of `key` among the first *used of `size` keys, taking the next free one if it is new
 * and there is room; else `size`. The key is written before *used says so: readers look at *used
 * first.
 */
static __always_inline __u32 kvmx_overflow_place(__u32 *keys, __u32 *used, __u32 size, __u32 key) {
  __u32 taken = *used;
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

static __noinline __u32 kvmx_high_entry(const volatile __u16 *dense, __u64 code) {
  code -= KVMX_HIGH_BASE;
  if (code >= KVMX_HIGH_CODES) return KVMX_NOT_DENSE;
  barrier_var(code);
  return dense[KVMX_LOW_CODES + (code & (KVMX_HIGH_CODES - 1))];
}

/* The entry of an exit code in `dense`, or KVMX_NOT_DENSE. */
static __always_inline __u32 kvmx_dense_entry(const volatile __u16 *dense, __u64 code) {
  return code < KVMX_LOW_CODES ? dense[code] : kvmx_high_entry(dense, code);
}

/* The overflow id of an exit code that has no dense id. */
static __noinline __u32 kvmx_overflow_reason(struct vcpu_slot *slot, __u32 code) {
  return KVMX_DENSE_REASONS + kvmx_overflow_place(slot->reason_code, &slot->overflow_reasons,
                                                  KVMX_OVERFLOW_REASONS, code);
}

/* The ids of the MSRs with a counter of their own. */
#define KVMX_ENUMERATE(index, name) KVMX_MSR_##name,
enum kvmx_fixed_msr { KVMX_FIXED_MSR_LIST(KVMX_ENUMERATE) };
#undef KVMX_ENUMERATE

/* Gives a place to another key. What readers need to tell the two apart is written first. */
static __always_inline __u32 kvmx_take_place(struct kvmx_places *places,
                                             const struct kvmx_ops *counts, __u32 i, __u64 key) {
  const __u64 turn = (places->word[i] + 1) & KVMX_TURN_MASK;
  for (__u32 op = 0; op < KVMX_OPS; op++)
    *(volatile __u64 *)&places->before[i].count[op] = counts[i].count[op];
  *(volatile __u64 *)&places->word[i] = key << KVMX_TURN_BITS | (turn ? turn : 1);
  return i;
}

/*
 * A key that has no place, when all are taken: it gets one whose rank is down to 0. If there is
 * none it counts as "other", and all ranks go down, a high one faster (1/64 and 1). So whatever is
 * more than a ninth of the accesses gets a place and keeps it (Misra and Gries, "Finding repeated
 * elements", 1982), and however many accesses a key once had, some thousand others clear it away.
 * A rank goes up by itself with each access.
 */
#define KVMX_RANK_SHIFT 6
static __always_inline __u32 kvmx_contest_place(struct kvmx_places *places,
                                                const struct kvmx_ops *counts, __u64 key) {
  __u64 ranks[KVMX_PLACES];
  for (__u32 i = 0; i < KVMX_PLACES; i++) {
    ranks[i] = counts[i].count[KVMX_READ] + counts[i].count[KVMX_WRITE] - places->aged[i];
    if (!ranks[i]) return kvmx_take_place(places, counts, i, key);
  }
  for (__u32 i = 0; i < KVMX_PLACES; i++) places->aged[i] += 1 + (ranks[i] >> KVMX_RANK_SHIFT);
  return KVMX_PLACES;
}

/* The place of a key, or KVMX_PLACES if it gets none. `counts`: the places' counters. */
static __always_inline __u32 kvmx_place_of(struct kvmx_places *places,
                                           const struct kvmx_ops *counts, __u64 key) {
  for (__u32 i = 0; i < KVMX_PLACES; i++) {
    const __u64 word = places->word[i];
    if (!word) return kvmx_take_place(places, counts, i, key);
    if (word >> KVMX_TURN_BITS == key) return i;
  }
  return kvmx_contest_place(places, counts, key);
}

/*
 * The same value, but of what it reads from a map the verifier knows nothing. Of what a branch
 * tells it of a value it knows more, and walks all that follows once for each such branch.
 */
static __always_inline __u32 kvmx_forget(struct vcpu_slot *slot, __u32 value) {
  *(volatile __u32 *)&slot->forgotten = value;
  return *(volatile __u32 *)&slot->forgotten;
}

/* The id of an MSR that has no counter of its own. */
static __noinline __u32 kvmx_overflow_msr(struct vcpu_slot *slot, __u32 index) {
  index = kvmx_forget(slot, index);
  return KVMX_FIXED_MSRS + kvmx_place_of(&slot->msr_places, slot->msr + KVMX_FIXED_MSRS, index);
}

/* Counts an access to a port or a page. */
static __noinline int kvmx_count_io(struct kvmx_io *io, __u64 key, bool write) {
  if (!io) return 0; /* never null; the verifier wants the check */
  __u32 place = kvmx_place_of(&io->places, io->count, key);
  barrier_var(place);
  if (place <= KVMX_PLACES) io->count[place].count[write]++;
  return 0;
}

static __always_inline __u32 kvmx_search_msr(struct vcpu_slot *slot, __u32 index) {
#define KVMX_CASE(known, name) \
  case known:                  \
    return KVMX_MSR_##name;
  switch (index) { KVMX_FIXED_MSR_LIST(KVMX_CASE) }
#undef KVMX_CASE
  return kvmx_overflow_msr(slot, index);
}

/* The id of an MSR in vcpu_slot.msr[]. Guests choose the index freely; the compiler makes a search
 * tree. */
static __always_inline __u32 kvmx_msr_id(struct vcpu_slot *slot, __u32 index) {
  return kvmx_forget(slot, kvmx_search_msr(slot, index));
}

/* The same where it is to be quick: the two that a ticking guest writes at each tick come first. */
static __always_inline __u32 kvmx_hot_msr_id(struct vcpu_slot *slot, __u32 index) {
  if (index == 0x6e0) return KVMX_MSR_IA32_TSC_DEADLINE;
  if (index == 0x80b) return KVMX_MSR_X2APIC_EOI;
  barrier_var(index); /* else the compiler puts these two into its tree */
  return kvmx_msr_id(slot, index);
}

#endif
