// SPDX-License-Identifier: Apache-2.0
//
// What the VMM (C++) and the guest programs (guest.S) share: ports, vectors,
// MSR indices and the layout of the page through which a vCPU gets its
// parameters and gives back what it did.  Only #defines outside the C++ part,
// so that the assembler can read it too.
#ifndef KVMX_GUEST_ABI_H
#define KVMX_GUEST_ABI_H

// Ports, away from those of the in-kernel PIC and ELCR.
#define KVMX_PORT_END 0x500    // the program is over
#define KVMX_PORT_PANIC 0x501  // an exception nobody expected; see `panic`
#define KVMX_PORT_WORK 0x502   // the `pio` program's work
#define KVMX_PORT_YIELD 0x503  // every `yield_every` iterations
#define KVMX_PORT_FIRST 0x510  // and up: of the `io` program

#define KVMX_VECTOR_GP 13
#define KVMX_VECTOR_TIMER 0x40
#define KVMX_VECTOR_TICK 0x41
#define KVMX_VECTOR_SPURIOUS 0xff
#define KVMX_STUB_SIZE 16  // bytes between two exception stubs

// A guest-physical address that is mapped by the guest's page tables and
// backed by nothing: touching it leaves to the VMM.
#define KVMX_MMIO_GPA 0x3fe00000

// Pages of the `nested` program's hypervisor, below the code.
#define KVMX_NESTED_HSAVE 0x6000
#define KVMX_NESTED_VMCB 0x7000
#define KVMX_NESTED_MSRPM 0x8000  // two pages
#define KVMX_EFER_NESTED 0x1500   // SVME, LMA, LME

#define KVMX_MSR_TSC_ADJUST 0x3b
#define KVMX_MSR_VM_HSAVE_PA 0xc0010117
#define KVMX_MSR_EOI 0x80b
#define KVMX_MSR_SVR 0x80f
#define KVMX_MSR_LVTT 0x832
#define KVMX_MSR_TMICT 0x838
#define KVMX_MSR_DCR 0x83e
#define KVMX_MSR_TSC_DEADLINE 0x6e0
#define KVMX_MSR_PV_EOI_EN 0x4b564d04

#define KVMX_LVTT_ONESHOT (KVMX_VECTOR_TIMER | (0 << 17))
#define KVMX_LVTT_PERIODIC (KVMX_VECTOR_TIMER | (1 << 17))
#define KVMX_LVTT_TSC_DEADLINE (KVMX_VECTOR_TIMER | (2 << 17))
#define KVMX_LVTT_TICK (KVMX_VECTOR_TICK | (2 << 17))
#define KVMX_DCR_DIVIDE_BY_1 0xb

// struct MsrRecord
#define KVMX_REC_INDEX 0
#define KVMX_REC_READS 8
#define KVMX_REC_WRITES 16
#define KVMX_REC_READ_FAULTS 24
#define KVMX_REC_WRITE_FAULTS 32
#define KVMX_REC_SIZE 40

// Records of GuestPage::msrs
#define KVMX_SLOT_SVR 0
#define KVMX_SLOT_LVTT 1
#define KVMX_SLOT_DCR 2
#define KVMX_SLOT_TMICT 3
#define KVMX_SLOT_TSC_DEADLINE 4
#define KVMX_SLOT_EOI 5
#define KVMX_SLOT_PV_EOI_EN 6
#define KVMX_SLOT_CHOSEN 7  // --msr
#define KVMX_SLOTS 8
// The same records, in the `nested` program, which has no timer.
#define KVMX_SLOT_HSAVE KVMX_SLOT_DCR
#define KVMX_SLOT_REFLECTED KVMX_SLOT_TMICT

// struct GuestPage: parameters
#define KVMX_COUNT 0x00
#define KVMX_STOP 0x08
#define KVMX_PERIOD 0x10
#define KVMX_YIELD_EVERY 0x18
#define KVMX_MSR_VALUE 0x20
#define KVMX_RANDOM 0x28
#define KVMX_POOL 0x30
#define KVMX_POOL_SIZE 0x38
#define KVMX_DEADLINE_EVERY 0x40
#define KVMX_DEADLINES_LEFT 0x48
#define KVMX_USE_VMMCALL 0x50
// struct GuestPage: what the guest did
#define KVMX_ITERATIONS 0x80
#define KVMX_INTERRUPTS 0x88
#define KVMX_SPURIOUS 0x90
#define KVMX_HALTS 0x98
#define KVMX_GP_FAULTS 0xa0
#define KVMX_CPUIDS 0xa8
#define KVMX_PIO_WRITES 0xb0
#define KVMX_MMIO_WRITES 0xb8
#define KVMX_HYPERCALLS 0xc0
#define KVMX_PAUSES 0xc8
#define KVMX_YIELDS 0xd0
#define KVMX_ENDS 0xd8
// struct GuestPage: between the program and its interrupt handlers
#define KVMX_FIRED 0x100
#define KVMX_FAULTED 0x108
#define KVMX_UNTIL_DEADLINE 0x110
#define KVMX_PANIC 0x118
#define KVMX_LAST_DEADLINE 0x150
#define KVMX_PV_EOI 0x158
#define KVMX_MSRS 0x200
#define KVMX_IO_USED 0x340
#define KVMX_IO 0x400

// struct IoRecord
#define KVMX_IO_ADDRESS 0
#define KVMX_IO_READS 8
#define KVMX_IO_WRITES 16
#define KVMX_IO_SIZE 24
#define KVMX_IO_RECORDS 64
#define KVMX_LAST_PORT 0xffff

#ifndef __ASSEMBLER__

#include <cstddef>
#include <cstdint>

namespace kvmx::guest {

// What a vCPU did to one MSR.  Faulting accesses are in reads/writes as well.
struct MsrRecord {
  std::uint32_t index;
  std::uint32_t pad;
  std::uint64_t reads;
  std::uint64_t writes;
  std::uint64_t read_faults;
  std::uint64_t write_faults;
};

// What a vCPU did to one port, or to one page of the VMM; 4-byte accesses to pages, 1-byte to
// ports.
struct IoRecord {
  std::uint64_t address;  // up to KVMX_LAST_PORT: a port
  std::uint64_t reads;
  std::uint64_t writes;
};

// One a vCPU, in guest memory; its address is in r15 while the guest runs.
struct GuestPage {
  // Parameters, written by the VMM; of these only `stop` while the guest runs.
  std::uint64_t count;        // iterations, 0: until `stop`
  std::uint64_t stop;         // looked at between two iterations
  std::uint64_t period;       // TSC ticks or APIC timer ticks, by program
  std::uint64_t yield_every;  // iterations between two yields, 0: never
  std::uint64_t msr_value;    // --value
  std::uint64_t random;       // xorshift64 state, never 0
  std::uint64_t pool;         // guest-physical address of MsrRecord[]
  std::uint64_t pool_size;
  std::uint64_t deadline_every;  // random-msr: iterations between deadlines
  std::uint64_t deadlines_left;
  std::uint64_t use_vmmcall;  // vmmcall (AMD) instead of vmcall
  std::uint64_t unused_parameters[5];
  // What the guest did.
  std::uint64_t iterations;
  std::uint64_t interrupts;  // timer interrupts taken
  std::uint64_t spurious;
  std::uint64_t halts;  // HLT instructions executed
  std::uint64_t gp_faults;
  std::uint64_t cpuids;
  std::uint64_t pio_writes;
  std::uint64_t mmio_writes;
  std::uint64_t hypercalls;
  std::uint64_t pauses;
  std::uint64_t yields;
  std::uint64_t ends;  // writes to the end port: 1, or 0 if kicked out
  std::uint64_t unused_counters[4];
  // The guest's own.
  std::uint64_t fired;    // the timer interrupt came
  std::uint64_t faulted;  // the last MSR access got #GP
  std::uint64_t until_deadline;
  std::uint64_t panic[7];  // vector, then the 6 words at the stack's top
  std::uint64_t last_deadline;
  std::uint64_t pv_eoi;  // KVM's, and cleared by the guest
  std::uint64_t unused_own[20];
  MsrRecord msrs[KVMX_SLOTS];
  std::uint64_t io_used;  // a parameter: records of the `io` program
  std::uint64_t unused_end[23];
  IoRecord io[KVMX_IO_RECORDS];
};

static_assert(sizeof(MsrRecord) == KVMX_REC_SIZE);
static_assert(offsetof(MsrRecord, index) == KVMX_REC_INDEX);
static_assert(offsetof(MsrRecord, reads) == KVMX_REC_READS);
static_assert(offsetof(MsrRecord, writes) == KVMX_REC_WRITES);
static_assert(offsetof(MsrRecord, read_faults) == KVMX_REC_READ_FAULTS);
static_assert(offsetof(MsrRecord, write_faults) == KVMX_REC_WRITE_FAULTS);
static_assert(sizeof(GuestPage) <= 4096);
static_assert(offsetof(GuestPage, count) == KVMX_COUNT);
static_assert(offsetof(GuestPage, stop) == KVMX_STOP);
static_assert(offsetof(GuestPage, period) == KVMX_PERIOD);
static_assert(offsetof(GuestPage, yield_every) == KVMX_YIELD_EVERY);
static_assert(offsetof(GuestPage, msr_value) == KVMX_MSR_VALUE);
static_assert(offsetof(GuestPage, random) == KVMX_RANDOM);
static_assert(offsetof(GuestPage, pool) == KVMX_POOL);
static_assert(offsetof(GuestPage, pool_size) == KVMX_POOL_SIZE);
static_assert(offsetof(GuestPage, deadline_every) == KVMX_DEADLINE_EVERY);
static_assert(offsetof(GuestPage, deadlines_left) == KVMX_DEADLINES_LEFT);
static_assert(offsetof(GuestPage, use_vmmcall) == KVMX_USE_VMMCALL);
static_assert(offsetof(GuestPage, iterations) == KVMX_ITERATIONS);
static_assert(offsetof(GuestPage, interrupts) == KVMX_INTERRUPTS);
static_assert(offsetof(GuestPage, spurious) == KVMX_SPURIOUS);
static_assert(offsetof(GuestPage, halts) == KVMX_HALTS);
static_assert(offsetof(GuestPage, gp_faults) == KVMX_GP_FAULTS);
static_assert(offsetof(GuestPage, cpuids) == KVMX_CPUIDS);
static_assert(offsetof(GuestPage, pio_writes) == KVMX_PIO_WRITES);
static_assert(offsetof(GuestPage, mmio_writes) == KVMX_MMIO_WRITES);
static_assert(offsetof(GuestPage, hypercalls) == KVMX_HYPERCALLS);
static_assert(offsetof(GuestPage, pauses) == KVMX_PAUSES);
static_assert(offsetof(GuestPage, yields) == KVMX_YIELDS);
static_assert(offsetof(GuestPage, ends) == KVMX_ENDS);
static_assert(offsetof(GuestPage, fired) == KVMX_FIRED);
static_assert(offsetof(GuestPage, faulted) == KVMX_FAULTED);
static_assert(offsetof(GuestPage, until_deadline) == KVMX_UNTIL_DEADLINE);
static_assert(offsetof(GuestPage, panic) == KVMX_PANIC);
static_assert(offsetof(GuestPage, last_deadline) == KVMX_LAST_DEADLINE);
static_assert(offsetof(GuestPage, pv_eoi) == KVMX_PV_EOI);
static_assert(offsetof(GuestPage, msrs) == KVMX_MSRS);
static_assert(offsetof(GuestPage, io_used) == KVMX_IO_USED);
static_assert(offsetof(GuestPage, io) == KVMX_IO);
static_assert(sizeof(IoRecord) == KVMX_IO_SIZE);
static_assert(offsetof(IoRecord, address) == KVMX_IO_ADDRESS);
static_assert(offsetof(IoRecord, reads) == KVMX_IO_READS);
static_assert(offsetof(IoRecord, writes) == KVMX_IO_WRITES);

}  // namespace kvmx::guest

// Symbols of guest.S: the code that is copied, and places in it.
// NOLINTBEGIN(readability-identifier-naming)
extern "C" {
extern const unsigned char kvmx_guest_begin[];
extern const unsigned char kvmx_guest_end[];
extern const unsigned char kvmx_guest_stubs[];
extern const unsigned char kvmx_guest_gp_handler[];
extern const unsigned char kvmx_guest_timer_handler[];
extern const unsigned char kvmx_guest_tick_handler[];
extern const unsigned char kvmx_guest_spurious_handler[];

extern const unsigned char kvmx_guest_deadline_halt[];
extern const unsigned char kvmx_guest_deadline_spin[];
extern const unsigned char kvmx_guest_tick_halt[];
extern const unsigned char kvmx_guest_tmict_halt[];
extern const unsigned char kvmx_guest_periodic_halt[];
extern const unsigned char kvmx_guest_wrmsr[];
extern const unsigned char kvmx_guest_rdmsr[];
extern const unsigned char kvmx_guest_cpuid[];
extern const unsigned char kvmx_guest_pio[];
extern const unsigned char kvmx_guest_mmio[];
extern const unsigned char kvmx_guest_hypercall[];
extern const unsigned char kvmx_guest_pause[];
extern const unsigned char kvmx_guest_random_msr[];
extern const unsigned char kvmx_guest_idle[];
extern const unsigned char kvmx_guest_burn[];
extern const unsigned char kvmx_guest_io[];
extern const unsigned char kvmx_guest_nested[];
}
// NOLINTEND(readability-identifier-naming)

#endif  // __ASSEMBLER__
#endif  // KVMX_GUEST_ABI_H
