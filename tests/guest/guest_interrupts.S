// SPDX-License-Identifier: Apache-2.0
//
// What the guest's IDT points at.  Part of guest.S, which includes it: all of the
// guest is one piece of code, copied whole.

    .balign 16
    .globl kvmx_guest_timer_handler
kvmx_guest_timer_handler:
    pushq %rax
    pushq %rcx
    pushq %rdx
    incq KVMX_INTERRUPTS(%r15)
    movq $1, KVMX_FIRED(%r15)
    WRMSR_CONST KVMX_MSR_EOI, KVMX_SLOT_EOI, 0
    popq %rdx
    popq %rcx
    popq %rax
    iretq

// KVM sets the bit if an EOI would change nothing for it, and takes its absence
// for an EOI at the next exit.
    .balign 16
    .globl kvmx_guest_tick_handler
kvmx_guest_tick_handler:
    lock btrl $0, KVMX_PV_EOI(%r15)
    jnc kvmx_guest_timer_handler
    incq KVMX_INTERRUPTS(%r15)
    movq $1, KVMX_FIRED(%r15)
    iretq

    .balign 16
    .globl kvmx_guest_spurious_handler
kvmx_guest_spurious_handler:
    incq KVMX_SPURIOUS(%r15)
    iretq

// Steps over rdmsr (0f 32) and wrmsr (0f 30); any other #GP is a panic.
    .balign 16
    .globl kvmx_guest_gp_handler
kvmx_guest_gp_handler:
    pushq %rax
    movq 16(%rsp), %rax     // error code at 8, rip at 16
    cmpb $0x0f, (%rax)
    jne 1f
    movb 1(%rax), %al
    andb $0xfd, %al
    cmpb $0x30, %al
    jne 1f
    addq $2, 16(%rsp)
    movq $1, KVMX_FAULTED(%r15)
    incq KVMX_GP_FAULTS(%r15)
    popq %rax
    addq $8, %rsp
    iretq
1:  popq %rax
    pushq $KVMX_VECTOR_GP
    jmp panic

// A stub for each vector that nobody expects.
    .balign KVMX_STUB_SIZE
    .globl kvmx_guest_stubs
kvmx_guest_stubs:
    .set vector, 0
    .rept 256
    .balign KVMX_STUB_SIZE
    pushq $vector
    jmp panic
    .set vector, vector + 1
    .endr

panic:
    .set word, 0
    .rept 7
    popq %rax
    movq %rax, (KVMX_PANIC + word * 8)(%r15)
    .set word, word + 1
    .endr
    movw $KVMX_PORT_PANIC, %dx
    outl %eax, %dx
    ud2
