// SPDX-License-Identifier: Apache-2.0
//
// The guest: position-independent 64-bit code, copied whole into guest memory.
// The VMM enters a program at its label with r15 = the vCPU's GuestPage, rsp =
// its stack, interrupts off, x2APIC enabled.  Counters are plain memory: only
// this vCPU writes them.  Each instruction that may exit is counted right
// before or after it, never by a guess.

#include "guest_abi.h"

    .section .rodata.kvmx_guest, "a", @progbits
    .balign 4096
    .code64

    .globl kvmx_guest_begin
kvmx_guest_begin:

#define SLOT(slot, field) (KVMX_MSRS + (slot) * KVMX_REC_SIZE + (field))(%r15)

// A write of a value known here to an MSR that never faults.
.macro WRMSR_CONST index, slot, value
    movl $\index, %ecx
    movl $\value, %eax
    xorl %edx, %edx
    wrmsr
    incq SLOT(\slot, KVMX_REC_WRITES)
.endm

// The same of the value in rax.
.macro WRMSR_RAX index, slot
    movq %rax, %rdx
    shrq $32, %rdx
    movl $\index, %ecx
    wrmsr
    incq SLOT(\slot, KVMX_REC_WRITES)
.endm

.macro PROGRAM name
    .balign 16
    .globl kvmx_guest_\name
kvmx_guest_\name:
.endm

// ---- the programs ----------------------------------------------------------

// Arm a deadline, halt until its interrupt, again.
PROGRAM deadline_halt
    call setup_deadline
1:  call arm_deadline
    call halt_until_fired
    call next
    jmp 1b

// As an idle Linux with nohz=off: deadlines a period apart, however late the last
// one was, and the end of an interrupt by KVM's paravirtual bit.
PROGRAM tick_halt
    WRMSR_CONST KVMX_MSR_SVR, KVMX_SLOT_SVR, 0x1ff
    WRMSR_CONST KVMX_MSR_LVTT, KVMX_SLOT_LVTT, KVMX_LVTT_TICK
    leaq KVMX_PV_EOI(%r15), %rax
    incq %rax               // bit 0: enabled
    WRMSR_RAX KVMX_MSR_PV_EOI_EN, KVMX_SLOT_PV_EOI_EN
1:  call arm_tick
    call halt_until_fired
    call next
    jmp 1b

// Arm a deadline, stay busy until its interrupt, again.
PROGRAM deadline_spin
    call setup_deadline
1:  call arm_deadline
    call spin_until_fired
    call next
    jmp 1b

// deadline_halt with the x2APIC's one-shot timer.
PROGRAM tmict_halt
    WRMSR_CONST KVMX_MSR_SVR, KVMX_SLOT_SVR, 0x1ff
    WRMSR_CONST KVMX_MSR_DCR, KVMX_SLOT_DCR, KVMX_DCR_DIVIDE_BY_1
    WRMSR_CONST KVMX_MSR_LVTT, KVMX_SLOT_LVTT, KVMX_LVTT_ONESHOT
1:  movq $0, KVMX_FIRED(%r15)
    call write_tmict
    call halt_until_fired
    call next
    jmp 1b

// One write starts the timer, one stops it; halts in between.  An iteration
// is a HLT; slow hosts may merge periods, so interrupts can differ from it.
PROGRAM periodic_halt
    WRMSR_CONST KVMX_MSR_SVR, KVMX_SLOT_SVR, 0x1ff
    WRMSR_CONST KVMX_MSR_DCR, KVMX_SLOT_DCR, KVMX_DCR_DIVIDE_BY_1
    WRMSR_CONST KVMX_MSR_LVTT, KVMX_SLOT_LVTT, KVMX_LVTT_PERIODIC
    call write_tmict
1:  incq KVMX_HALTS(%r15)
    sti
    hlt
    cli
    call next_or_over
    jz 1b
    WRMSR_CONST KVMX_MSR_TMICT, KVMX_SLOT_TMICT, 0
    jmp finish

PROGRAM wrmsr
    leaq SLOT(KVMX_SLOT_CHOSEN, 0), %rbx
1:  movq KVMX_MSR_VALUE(%r15), %rax
    call checked_wrmsr
    call next
    jmp 1b

PROGRAM rdmsr
    leaq SLOT(KVMX_SLOT_CHOSEN, 0), %rbx
1:  call checked_rdmsr
    call next
    jmp 1b

PROGRAM cpuid
1:  xorl %eax, %eax
    xorl %ecx, %ecx
    cpuid
    incq KVMX_CPUIDS(%r15)
    call next
    jmp 1b

PROGRAM pio
1:  incq KVMX_PIO_WRITES(%r15)
    movw $KVMX_PORT_WORK, %dx
    outl %eax, %dx
    call next
    jmp 1b

PROGRAM mmio
    movl $KVMX_MMIO_GPA, %ebx
1:  incq KVMX_MMIO_WRITES(%r15)
    movl %eax, (%rbx)
    call next
    jmp 1b

// The first port, then another of the ports or pages by turns: a read, a write, and of a page both
// in one instruction.
PROGRAM io
    leaq KVMX_IO(%r15), %r13
    xorl %r12d, %r12d
1:  leaq KVMX_IO(%r15), %rbx
    call io_read
    movq %r13, %rbx
    call io_read
    call io_write
    call io_update
    addq $KVMX_IO_SIZE, %r13
    incq %r12
    cmpq KVMX_IO_USED(%r15), %r12
    jb 2f
    leaq KVMX_IO(%r15), %r13
    xorl %r12d, %r12d
2:  call next
    jmp 1b

// Hypercall 1, KVM_HC_VAPIC_POLL_IRQ: returns 0 and does nothing else.
PROGRAM hypercall
1:  incq KVMX_HYPERCALLS(%r15)
    movl $1, %eax
    cmpq $0, KVMX_USE_VMMCALL(%r15)
    jne 2f
    vmcall
    jmp 3f
2:  vmmcall
3:  call next
    jmp 1b

// Interrupts on, though none will come: Bochs, emulating the host, delivers the
// host's own interrupts to a guest that has them off only at its next exit.
PROGRAM pause
    sti
1:  pause
    incq KVMX_PAUSES(%r15)
    call next
    jmp 1b

// Hostile: an entry of the pool, read or written, as the generator says; every
// deadline_every iterations, as long as there are some left, a deadline.
PROGRAM random_msr
    call setup_deadline_if_any
1:  movq KVMX_RANDOM(%r15), %rax
    movq %rax, %rdx         // xorshift64 13, 7, 17 (Marsaglia)
    shlq $13, %rdx
    xorq %rdx, %rax
    movq %rax, %rdx
    shrq $7, %rdx
    xorq %rdx, %rax
    movq %rax, %rdx
    shlq $17, %rdx
    xorq %rdx, %rax
    movq %rax, KVMX_RANDOM(%r15)
    movq %rax, %rbx         // entry: the upper half scaled to pool_size
    shrq $32, %rbx
    imulq KVMX_POOL_SIZE(%r15), %rbx
    shrq $32, %rbx
    imulq $KVMX_REC_SIZE, %rbx
    addq KVMX_POOL(%r15), %rbx
    testb $1, %al
    jz 2f
    call checked_wrmsr      // the value is the random number itself
    jmp 3f
2:  call checked_rdmsr
3:  call deadline_if_due
    call next
    jmp 1b

// Asleep until the VMM kicks the thread out.
PROGRAM idle
1:  incq KVMX_HALTS(%r15)
    hlt
    jmp 1b

PROGRAM burn
    sti                     // as in pause
1:  movl $100000, %eax
2:  imulq %rax, %rbx
    incq %rbx
    decl %eax
    jnz 2b
    call next
    jmp 1b

#include "guest_nested.S"

// ---- what they share -------------------------------------------------------

setup_deadline:
    WRMSR_CONST KVMX_MSR_SVR, KVMX_SLOT_SVR, 0x1ff
    WRMSR_CONST KVMX_MSR_LVTT, KVMX_SLOT_LVTT, KVMX_LVTT_TSC_DEADLINE
    ret

setup_deadline_if_any:
    cmpq $0, KVMX_DEADLINES_LEFT(%r15)
    jne setup_deadline
    ret

arm_deadline:
    call read_tsc
arm_in_a_period:
    addq KVMX_PERIOD(%r15), %rax
arm_at:
    movq $0, KVMX_FIRED(%r15)
    movq %rax, KVMX_LAST_DEADLINE(%r15)
    WRMSR_RAX KVMX_MSR_TSC_DEADLINE, KVMX_SLOT_TSC_DEADLINE
    ret

// A period after the last deadline; after now, if that has passed already.
arm_tick:
    call read_tsc
    movq KVMX_LAST_DEADLINE(%r15), %rdx
    addq KVMX_PERIOD(%r15), %rdx
    cmpq %rax, %rdx
    jbe arm_in_a_period
    movq %rdx, %rax
    jmp arm_at

read_tsc:
    rdtsc
    shlq $32, %rdx
    orq %rdx, %rax
    ret

write_tmict:
    movl KVMX_PERIOD(%r15), %eax
    WRMSR_RAX KVMX_MSR_TMICT, KVMX_SLOT_TMICT
    ret

// Interrupts are off here except in sti's shadow and in hlt: an interrupt that
// is early stays pending until hlt, which then returns at once.  So one wait is
// one HLT, whatever the timing.
halt_until_fired:
1:  incq KVMX_HALTS(%r15)
    sti
    hlt
    cli
    cmpq $0, KVMX_FIRED(%r15)
    je 1b
    ret

spin_until_fired:
    sti
1:  cmpq $0, KVMX_FIRED(%r15)
    je 1b
    cli
    ret

deadline_if_due:
    cmpq $0, KVMX_DEADLINES_LEFT(%r15)
    je 1f
    decq KVMX_UNTIL_DEADLINE(%r15)
    jnz 1f
    movq KVMX_DEADLINE_EVERY(%r15), %rax
    movq %rax, KVMX_UNTIL_DEADLINE(%r15)
    decq KVMX_DEADLINES_LEFT(%r15)
    call arm_deadline
    call spin_until_fired
1:  ret

// rbx = MsrRecord, rax = value.  The #GP handler steps over the instruction.
checked_wrmsr:
    movq %rax, %rdx
    shrq $32, %rdx
    movl KVMX_REC_INDEX(%rbx), %ecx
    movq $0, KVMX_FAULTED(%r15)
    wrmsr
    incq KVMX_REC_WRITES(%rbx)
    movq KVMX_FAULTED(%r15), %rcx
    addq %rcx, KVMX_REC_WRITE_FAULTS(%rbx)
    ret

checked_rdmsr:
    movl KVMX_REC_INDEX(%rbx), %ecx
    movq $0, KVMX_FAULTED(%r15)
    rdmsr
    incq KVMX_REC_READS(%rbx)
    movq KVMX_FAULTED(%r15), %rcx
    addq %rcx, KVMX_REC_READ_FAULTS(%rbx)
    ret

// rbx = IoRecord.  CF set: it is a port, in dx.  Else its page is at rdx.
io_address:
    movq KVMX_IO_ADDRESS(%rbx), %rdx
    cmpq $(KVMX_LAST_PORT + 1), %rdx
    ret

io_read:
    incq KVMX_IO_READS(%rbx)
    call io_address
    jb 1f
    movl (%rdx), %eax
    ret
1:  inb %dx, %al
    ret

io_write:
    incq KVMX_IO_WRITES(%rbx)
    call io_address
    jb 1f
    movl %eax, (%rdx)
    ret
1:  outb %al, %dx
    ret

io_update:
    call io_address
    jb 1f
    incq KVMX_IO_READS(%rbx)
    incq KVMX_IO_WRITES(%rbx)
    addl $1, (%rdx)
1:  ret

// The end of an iteration.  Returns only if there is another.
next:
    call next_or_over
    jnz finish
    ret

// The end of an iteration.  ZF set: there is another.
next_or_over:
    incq KVMX_ITERATIONS(%r15)
    cmpq $0, KVMX_YIELD_EVERY(%r15)
    je 1f
    movq KVMX_ITERATIONS(%r15), %rax
    xorl %edx, %edx
    divq KVMX_YIELD_EVERY(%r15)
    testq %rdx, %rdx
    jnz 1f
    incq KVMX_YIELDS(%r15)
    movw $KVMX_PORT_YIELD, %dx
    outl %eax, %dx
1:  cmpq $0, KVMX_STOP(%r15)
    jne 2f
    movq KVMX_COUNT(%r15), %rax
    testq %rax, %rax
    jz 2f                   // no count: go on, ZF is set
    cmpq KVMX_ITERATIONS(%r15), %rax
    seta %al                // 1: count above iterations, there is another
    xorb $1, %al
2:  ret

finish:
    cli
    incq KVMX_ENDS(%r15)
    movw $KVMX_PORT_END, %dx
    outl %eax, %dx
    ud2                     // the VMM never comes back here

#include "guest_interrupts.S"

    .globl kvmx_guest_end
kvmx_guest_end:
    .section .note.GNU-stack, "", @progbits
