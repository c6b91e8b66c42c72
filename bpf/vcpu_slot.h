/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The slot: everything counted for one vCPU, written by the BPF programs and read by the exporter
 * through a memory map. This header is the only description of it; both sides include it.
 *
 * A vCPU runs on one thread at a time and every event of ours is raised by that thread, so a slot
 * has one writer: plain increments, no atomics. Readers see each 64-bit word whole (x86-64), and
 * words only grow.
 */
#ifndef KVMX_VCPU_SLOT_H
#define KVMX_VCPU_SLOT_H

#include <linux/types.h>

#ifdef __cplusplus
#define KVMX_STATIC_ASSERT static_assert
#else
#define KVMX_STATIC_ASSERT _Static_assert
#endif

/* The isa argument of the kvm_exit tracepoint (KVM_ISA_VMX, KVM_ISA_SVM in arch/x86/kvm/trace.h).
 */
enum kvmx_isa { KVMX_ISA_OTHER = 0, KVMX_ISA_VMX = 1, KVMX_ISA_SVM = 2 };

/*
 * Exit reasons are counted by a dense id: kvmx_dense[] of the exit code, which the exporter fills
 * for the host's isa before loading. Any code without an id there takes one of
 * KVMX_OVERFLOW_REASONS ids, first come first served, the code itself being kept in reason_code[];
 * once those are taken, KVMX_REASON_OTHER.
 */
#define KVMX_REASONS 128
#define KVMX_OVERFLOW_REASONS 8
#define KVMX_REASON_OTHER (KVMX_REASONS - 1)
#define KVMX_DENSE_REASONS (KVMX_REASON_OTHER - KVMX_OVERFLOW_REASONS)
#define KVMX_VMX_REASONS 96 /* a basic exit reason of VMX below this is its own id */
#define KVMX_VMX_MSR_READ 31
#define KVMX_VMX_MSR_WRITE 32
#define KVMX_VMX_MSR_READ_IMM 84
#define KVMX_VMX_MSR_WRITE_IMM 85
#define KVMX_SVM_MSR 0x07c

/*
 * Exit codes that have an entry in kvmx_dense[]: 0x000-0x0ff, then SVM's 0x400-0x40f. An entry is
 * an id, with KVMX_EXIT_IDLE and KVMX_EXIT_MSR_FLAGS or without, or KVMX_NOT_DENSE.
 */
#define KVMX_LOW_CODES 0x100
#define KVMX_HIGH_BASE 0x400
#define KVMX_HIGH_CODES 0x10
#define KVMX_CODES (KVMX_LOW_CODES + KVMX_HIGH_CODES)
#define KVMX_NOT_DENSE KVMX_REASON_OTHER

/*
 * vcpu_slot.exit: the dense id of the exit being handled, and flags. On the fast path no flag is
 * set, so one comparison finds that out.
 */
enum kvmx_exit {
  KVMX_EXIT_ID = KVMX_REASONS - 1, /* the id's bits */
  /* The guest is idle by its own choice, halted or in PAUSE: the exit's time is no latency. */
  KVMX_EXIT_IDLE = 0x80,
  /* The halt has ended. Another may have begun since: no event marks the beginning of a halt. */
  KVMX_EXIT_HALT_ENDED = 0x100,
  /* KVM_RUN has returned to the VMM since the exit, and no halt has ended since it returned. */
  KVMX_EXIT_IN_VMM = 0x200,
  /* No exit is being handled: the guest runs, or has not run yet. */
  KVMX_EXIT_NONE = 0x400,
  /* Nor is it within KVM_RUN: no thread has run it yet, or it is gone. */
  KVMX_EXIT_OUTSIDE = KVMX_EXIT_NONE | KVMX_EXIT_IN_VMM,
  /* An MSR access, which the next entry is to count: see count_msr_access(). */
  KVMX_EXIT_MSR = 0x800,
  KVMX_EXIT_MSR_WRITE = 0x1000, /* and a write */
  /* Which MSR is known once KVM has handled the exit; else msr_index says so. */
  KVMX_EXIT_MSR_LATE = 0x2000,
  KVMX_EXIT_MSR_FLAGS = KVMX_EXIT_MSR | KVMX_EXIT_MSR_WRITE | KVMX_EXIT_MSR_LATE
};

/*
 * MSRs with a counter of their own, which no guest can displace by touching others: index, and name
 * as exporter/names has it (a unit test compares them). First the timers: writing one of them
 * programs the guest's timer. Then the interrupt controller, and what guests and hypervisors are
 * known to storm with. The order is that of the counters. All other MSRs compete for
 * KVMX_PLACES places; what gets none counts as KVMX_MSR_OTHER.
 */
/* clang-format off */
#define KVMX_TIMER_MSR_LIST(X) \
  X(0x6e0, IA32_TSC_DEADLINE) \
  X(0x838, X2APIC_TMICT) \
  X(0x400000b0, HV_X64_MSR_STIMER0_CONFIG) \
  X(0x400000b1, HV_X64_MSR_STIMER0_COUNT) \
  X(0x400000b2, HV_X64_MSR_STIMER1_CONFIG) \
  X(0x400000b3, HV_X64_MSR_STIMER1_COUNT) \
  X(0x400000b4, HV_X64_MSR_STIMER2_CONFIG) \
  X(0x400000b5, HV_X64_MSR_STIMER2_COUNT) \
  X(0x400000b6, HV_X64_MSR_STIMER3_CONFIG) \
  X(0x400000b7, HV_X64_MSR_STIMER3_COUNT)
#define KVMX_FIXED_MSR_LIST(X) \
  KVMX_TIMER_MSR_LIST(X) \
  X(0x80b, X2APIC_EOI) \
  X(0x830, X2APIC_ICR) \
  X(0x83f, X2APIC_SELF_IPI) \
  X(0x832, X2APIC_LVTT) \
  X(0x839, X2APIC_TMCCT) \
  X(0x808, X2APIC_TASKPRI) \
  X(0x010, IA32_TSC) \
  X(0x01b, IA32_APIC_BASE) \
  X(0x03b, IA32_TSC_ADJUST) \
  X(0x048, IA32_SPEC_CTRL) \
  X(0x049, IA32_PRED_CMD) \
  X(0x0e1, IA32_UMWAIT_CONTROL) \
  X(0x38f, IA32_PERF_GLOBAL_CTRL) \
  X(0xc0000080, IA32_EFER) \
  X(0xc0000100, IA32_FS_BASE) \
  X(0xc0000101, IA32_GS_BASE) \
  X(0xc0000102, IA32_KERNEL_GS_BASE) \
  X(0x4b564d00, KVM_WALL_CLOCK_NEW) \
  X(0x4b564d01, KVM_SYSTEM_TIME_NEW) \
  X(0x4b564d02, KVM_ASYNC_PF_EN) \
  X(0x4b564d03, KVM_STEAL_TIME) \
  X(0x4b564d04, KVM_PV_EOI_EN) \
  X(0x4b564d05, KVM_POLL_CONTROL) \
  X(0x40000020, HV_X64_MSR_TIME_REF_COUNT) \
  X(0x40000070, HV_X64_MSR_EOI) \
  X(0x40000071, HV_X64_MSR_ICR) \
  X(0x40000072, HV_X64_MSR_TPR)
/* clang-format on */

#define KVMX_COUNT_ONE(...) +1
#define KVMX_TIMER_MSRS (0 KVMX_TIMER_MSR_LIST(KVMX_COUNT_ONE))
#define KVMX_FIXED_MSRS (0 KVMX_FIXED_MSR_LIST(KVMX_COUNT_ONE))
#define KVMX_MSR_OTHER (KVMX_FIXED_MSRS + KVMX_PLACES)
#define KVMX_MSRS (KVMX_MSR_OTHER + 1)

/* Operations on an MSR, a port or a page, and the index of each in kvmx_ops.count[]. */
enum kvmx_op { KVMX_READ = 0, KVMX_WRITE = 1, KVMX_OPS = 2 };

/*
 * Places, for which keys compete that guests choose freely: MSRs without a counter of their own,
 * ports, and pages of MMIO. See kvmx_place_of().
 */
#define KVMX_PLACES 8
/* A place's word: its key, and below that its turn, how many keys have had it (1 follows on the
 * last). 0: none yet. One word, so that readers never see one half of two turns. */
#define KVMX_TURN_BITS 24
#define KVMX_TURN_MASK ((1ull << KVMX_TURN_BITS) - 1)

/* Backends of the guest's timer: the hv_timer_in_use argument of kvm_hv_timer_state. */
enum kvmx_timer { KVMX_TIMER_SW = 0, KVMX_TIMER_HV = 1, KVMX_TIMERS = 2 };

/* How a halt ended, the waited argument of kvm_vcpu_wakeup: while KVM polled, or after sleep. */
enum kvmx_wakeup { KVMX_WAKEUP_POLL = 0, KVMX_WAKEUP_WAIT = 1, KVMX_WAKEUPS = 2 };

/*
 * Exit latencies: bucket i holds those of at most 2^(i-21) s that no bucket before holds; the last
 * one holds the rest. 2^-21 s is 476.8 ns.
 */
#define KVMX_LATENCY_BOUNDS 16
#define KVMX_LATENCY_BUCKETS (KVMX_LATENCY_BOUNDS + 1)
#define KVMX_LATENCY_FIRST_LOG2 21

/*
 * Times between a vCPU's successive timer programmings, in microseconds: bucket i holds those of
 * at most the i-th bound, the last one the rest. Ticks of 1000, 300, 250 and 100 Hz (1000, 3333,
 * 4000, 10000 us) each have a bucket that no other tick falls into.
 */
#define KVMX_SHORT_INTERVAL_US 900 /* shorter than any tick's */
/* clang-format off */
#define KVMX_SHORT_INTERVAL_BOUNDS_US(X) X(100) X(250) X(500) X(KVMX_SHORT_INTERVAL_US)
#define KVMX_TICK_INTERVAL_BOUNDS_US(X)                                         \
  X(1100) X(2000) X(3000) X(3600) X(4400) X(6000) X(9000) X(11000) X(20000) X(100000) \
  X(1000000)
#define KVMX_INTERVAL_BOUNDS_US(X) KVMX_SHORT_INTERVAL_BOUNDS_US(X) KVMX_TICK_INTERVAL_BOUNDS_US(X)
/* clang-format on */
#define KVMX_INTERVAL_BOUNDS (0 KVMX_INTERVAL_BOUNDS_US(KVMX_COUNT_ONE))
#define KVMX_SHORT_INTERVAL_BOUNDS (0 KVMX_SHORT_INTERVAL_BOUNDS_US(KVMX_COUNT_ONE))
#define KVMX_INTERVAL_BUCKETS (KVMX_INTERVAL_BOUNDS + 1)

/*
 * Userspace exits, which are returns of KVM_RUN to the VMM: by kvm_run.exit_reason (KVM_EXIT_*),
 * then those that have an errno in place of a reason. Codes without a counter of their own are
 * counted as KVMX_USERSPACE_OTHER.
 */
#define KVMX_USERSPACE_CODES 48
enum kvmx_userspace_exit {
  KVMX_USERSPACE_RESTART = KVMX_USERSPACE_CODES, /* -EINTR: a signal */
  KVMX_USERSPACE_ERROR,                          /* another errno */
  KVMX_USERSPACE_OTHER,
  KVMX_USERSPACE_EXITS
};

/* Events that could not be counted where they belong; indices of the map `lost`. */
enum kvmx_loss {
  KVMX_LOST_TABLE_FULL = 0,   /* no free slot: raise --bpf.max-vcpus */
  KVMX_LOST_MAP_FULL = 1,     /* a slot could not be entered in a lookup map */
  KVMX_LOST_REASON_READ = 2,  /* the exit reason could not be read: counted under "other" */
  KVMX_LOST_UNATTRIBUTED = 3, /* of no vCPU: in a kernel thread, an interrupt, another process */
  KVMX_LOSSES = 4
};

/* vcpu_id of a slot whose thread raised events before any event said which vCPU it runs. */
#define KVMX_VCPU_UNKNOWN 0xffffffffu

/* Set in vcpu_slot.vcpu, whose pointers are even, once KVM has destroyed the vCPU. */
#define KVMX_VCPU_DESTROYED 1ull

#define KVMX_COMM 16 /* TASK_COMM_LEN */

struct kvmx_reason {
  __u64 count; /* exits */
  __u64 ns;    /* host time from such exits to the entries after them; no exit in progress */
};

struct kvmx_ops {
  __u64 count[KVMX_OPS];
};

/* Who has the places. A place's counters, which are elsewhere, go on from key to key, so that their
 * sum is exact at any moment: those of the key that has it are what exceeds before[], and its rank
 * is what exceeds aged[]. */
struct kvmx_places {
  __u64 word[KVMX_PLACES];
  struct kvmx_ops before[KVMX_PLACES];
  __u64 aged[KVMX_PLACES];
};

struct kvmx_halt {
  __u64 count; /* halts that have ended */
  __u64 ns;    /* how long they took, polling and sleeping */
};

struct vcpu_slot {
  /* One cache line decides on the fast path whose slot this is and takes an exit's time stamp. */
  __u64 vcpu;         /* struct kvm_vcpu *, 0 where no event gives it; see KVMX_VCPU_DESTROYED */
  __u64 fast_start;   /* thread_start, or 0: the slot must be looked up the slow way */
  __u64 exit_ns;      /* when the exit being handled began (CLOCK_MONOTONIC) */
  __u32 exit;         /* enum kvmx_exit. Says whether exit_ns holds, and is written after it. */
  __u32 tid;          /* thread that runs this vCPU, its id in the initial pid namespace */
  __u64 thread_start; /* start of that thread, ns (CLOCK_MONOTONIC) */
  __u64 kvm;          /* struct kvm *, 0 where no event gives it */
  __u32 vcpu_id;      /* or KVMX_VCPU_UNKNOWN */
  __u32 tgid;         /* process of the thread; 0: the slot is free. Written last. */
  __u64 vm_start;     /* start of that process, ns since boot (CLOCK_BOOTTIME) */

  __u64 timer_ns;         /* when the guest last programmed its timer, 0: not yet */
  __u64 userspace_ns;     /* when KVM_RUN returned to the VMM, 0: it has entered the guest since */
  __u64 vmcb;             /* struct vmcb * of an SVM vCPU, 0: not known, or not needed */
  __u32 isa;              /* enum kvmx_isa of the host */
  __u32 shared;           /* 1: its thread runs other vCPUs too, and always looks its slot up */
  __u32 timer_seen;       /* 1 + the last enum kvmx_timer, 0: no timer yet */
  __u32 index;            /* of this slot */
  __u32 overflow_reasons; /* entries of reason_code[] in use */
  __u32 msr_index;        /* that the exit being handled accesses, see KVMX_EXIT_MSR */
  __u32 forgotten;        /* see kvmx_forget() */
  char comm[KVMX_COMM];   /* name of the process when the slot was made, NUL-terminated */
  __u64 timer_arms[KVMX_TIMERS];
  __u64 msr_faults[KVMX_OPS];

  struct kvmx_halt halts[KVMX_WAKEUPS];
  __u64 userspace_total_ns; /* from userspace exits to the entries after them */
  __u64 userspace_exits[KVMX_USERSPACE_EXITS];
  __u64 latency[KVMX_LATENCY_BUCKETS];
  __u64 intervals[KVMX_INTERVAL_BUCKETS];
  __u64 interval_total_ns;
  __u64 halted_ns; /* part of reason[].ns: exits whose reason does not tell that the vCPU halted */

  __u32 reason_code[KVMX_OVERFLOW_REASONS];
  struct kvmx_places msr_places; /* by MSR index; their counters are in msr[] */
  struct kvmx_ops msr[KVMX_MSRS];
  /* The second half, so that an id masked by KVMX_EXIT_ID cannot leave the slot. */
  struct kvmx_reason reason[KVMX_REASONS] __attribute__((aligned(2048)));
} __attribute__((aligned(4096))); /* a page: a slot's address is a shift, and no line is shared */

KVMX_STATIC_ASSERT(sizeof(struct vcpu_slot) == 4096, "a slot is one page");
KVMX_STATIC_ASSERT(__builtin_offsetof(struct vcpu_slot, timer_ns) == 64,
                   "what the fast path reads and writes of the owner is one cache line");
KVMX_STATIC_ASSERT(KVMX_VMX_REASONS <= KVMX_DENSE_REASONS, "VMX reasons are their own ids");

/* Ports, or pages. */
struct kvmx_io {
  struct kvmx_places places;
  struct kvmx_ops count[KVMX_PLACES + 1]; /* by place; the last is of those without one */
};

/* Interrupt lines with a counter of their own: the pins of KVM's I/O APIC. What is beyond them is
 * the VMM's own numbers for message-signalled interrupts. */
#define KVMX_LINES 24

/*
 * What a vCPU has to do with devices, beside its slot: a slot is one page, and this would not fit.
 * Nothing here is read or written at an exit that does not go to a device. A slot's vCPU alone
 * counts its ports and pages. Interrupt lines are the VM's: whoever raises one counts it, adding
 * atomically, in one slot of the VM.
 */
struct io_counts {
  struct kvmx_io ports;
  struct kvmx_io pages;        /* by guest-physical address >> KVMX_PAGE_SHIFT */
  __u64 lines[KVMX_LINES + 1]; /* changes of level; the last is of all other lines */
} __attribute__((aligned(64)));
#define KVMX_PAGE_SHIFT 12

KVMX_STATIC_ASSERT(sizeof(struct io_counts) == 1024, "four to a page");

/* Key of the map that finds a vCPU's slot. */
struct vcpu_key {
  __u64 owner; /* struct kvm_vcpu *; where no event gives it, the thread (tgid << 32 | tid) */
  __u64 id;    /* with a pointer 0, with a thread 1 + the vCPU's id (0: unknown) */
};

/* The process that made a vCPU. */
struct vcpu_maker {
  __u64 start; /* of the process, ns since boot (CLOCK_BOOTTIME) */
  __u32 tgid;
  __u32 vcpu_id;
  char comm[KVMX_COMM];
};

/* vCPUs of one id that a process has made: one for each of its VMs. */
struct vcpu_id_key {
  __u32 tgid;
  __u32 vcpu_id;
};
struct vcpus_of_id {
  __u64 vcpu;  /* struct kvm_vcpu *; 0 once there have been two at a time */
  __u64 count; /* how many there are */
};

/*
 * Counters of all other KVM events, which are opt-in, by the number that the exporter gave to the
 * event. Other threads of the VM than the vCPU's own may write them, so programs add atomically.
 */
#define KVMX_EVENTS 128
struct event_counts {
  __u64 count[KVMX_EVENTS];
};

/*
 * Under which names the exporter has exported what competes for places: each access under its key
 * or as "other", for good, whatever becomes of its place.
 */
struct exported_places {
  __u64 word[KVMX_PLACES];            /* of the place, as last read */
  struct kvmx_ops seen[KVMX_PLACES];  /* the place's counters, as last read */
  struct kvmx_ops count[KVMX_PLACES]; /* what was exported under a name */
  __u64 key[KVMX_PLACES];             /* the name */
  __u32 named;                        /* bit i: count[i] has a name */
  __u32 given; /* names given to the first that came; with all of them one has to give way */
};

/*
 * A slot's times as the exporter last exported them, where they contain an exit, a halt or a stay
 * in the VMM that had not ended. Exported counters are clamped to them, so that none steps back
 * when the BPF programs add their own figure in the end. The programs do not use them. They outlive
 * the exporter as slots do, so that no counter steps back over a restart either.
 */
struct exported_times {
  __u32 exit_id;  /* dense id of the exit being handled */
  __u32 unlinked; /* 1: the slot was unlinked from its VM and not yet wiped */
  __u64 exit_ns;
  __u64 halt_ns;
  __u64 userspace_ns;
  __u64 latency_ns;
  struct exported_places msrs;
  struct exported_places ports;
  struct exported_places pages;
};

KVMX_STATIC_ASSERT(sizeof(struct exported_times) == 1216, "no padding in what is kept");

#endif
