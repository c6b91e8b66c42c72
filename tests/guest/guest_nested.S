// SPDX-License-Identifier: Apache-2.0
//
// A guest that is itself a hypervisor, by AMD's SVM (manual, volume 2, chapter
// 15 and appendix B).  Its own guest accesses two MSRs in each iteration: the
// one of --msr, which this hypervisor leaves to KVM, and another, which it
// wants and then writes for its guest.  KVM makes the first access and the
// hypervisor's own; what it hands to the hypervisor is no access of KVM's.

#define VMCB(offset) (KVMX_NESTED_VMCB + (offset))
#define VMCB_INTERCEPTS_1 0x00c
#define VMCB_INTERCEPTS_2 0x010
#define VMCB_MSRPM 0x048
#define VMCB_ASID 0x058
#define VMCB_EXIT_CODE 0x070
#define VMCB_ES 0x400
#define VMCB_CS 0x410
#define VMCB_SS 0x420
#define VMCB_DS 0x430
#define VMCB_GDTR 0x460
#define VMCB_IDTR 0x480
#define VMCB_EFER 0x4d0
#define VMCB_CR4 0x548
#define VMCB_CR3 0x550
#define VMCB_CR0 0x558
#define VMCB_DR7 0x560
#define VMCB_DR6 0x568
#define VMCB_RFLAGS 0x570
#define VMCB_RIP 0x578
#define VMCB_RSP 0x5d8

#define INTERCEPT_MSR (1 << 28)   // of the first word
#define INTERCEPT_VMRUN (1 << 0)  // of the second; a must
#define INTERCEPT_VMMCALL (1 << 1)
#define EXIT_MSR 0x7c
#define EXIT_VMMCALL 0x81

// Of the nested guest the hypervisor wants writes to IA32_TSC_ADJUST: two bits
// an MSR, from 0 up.
#define REFLECTED_BYTE (KVMX_MSR_TSC_ADJUST / 4)
#define REFLECTED_BIT (2 << (KVMX_MSR_TSC_ADJUST % 4 * 2))

.macro VMCB_SEGMENT offset, selector, attributes
    movl $(\selector | \attributes << 16), VMCB(\offset)
    movl $0xffffffff, VMCB(\offset + 4)     // the limit; the base stays 0
.endm

// The limit and base that sgdt and sidt store.
.macro VMCB_TABLE offset, store
    \store -16(%rsp)
    movzwl -16(%rsp), %eax
    movl %eax, VMCB(\offset + 4)
    movq -14(%rsp), %rax
    movq %rax, VMCB(\offset + 8)
.endm

PROGRAM nested
    WRMSR_CONST KVMX_MSR_VM_HSAVE_PA, KVMX_SLOT_HSAVE, KVMX_NESTED_HSAVE
    movl $INTERCEPT_MSR, VMCB(VMCB_INTERCEPTS_1)
    movl $(INTERCEPT_VMRUN | INTERCEPT_VMMCALL), VMCB(VMCB_INTERCEPTS_2)
    movq $KVMX_NESTED_MSRPM, VMCB(VMCB_MSRPM)
    orb $REFLECTED_BIT, KVMX_NESTED_MSRPM + REFLECTED_BYTE
    movl $1, VMCB(VMCB_ASID)
    VMCB_SEGMENT VMCB_CS, 0x08, 0xa9b
    VMCB_SEGMENT VMCB_DS, 0x10, 0xc93
    VMCB_SEGMENT VMCB_ES, 0x10, 0xc93
    VMCB_SEGMENT VMCB_SS, 0x10, 0xc93
    VMCB_TABLE VMCB_GDTR, sgdt
    VMCB_TABLE VMCB_IDTR, sidt
    movq $KVMX_EFER_NESTED, VMCB(VMCB_EFER)
    movq %cr4, %rax
    movq %rax, VMCB(VMCB_CR4)
    movq %cr3, %rax
    movq %rax, VMCB(VMCB_CR3)
    movq %cr0, %rax
    movq %rax, VMCB(VMCB_CR0)
    movq $0x400, VMCB(VMCB_DR7)
    movl $0xffff0ff0, VMCB(VMCB_DR6)
    movq $2, VMCB(VMCB_RFLAGS)
    leaq -0x400(%rsp), %rax
    movq %rax, VMCB(VMCB_RSP)

1:  leaq nested_guest(%rip), %rax
    movq %rax, VMCB(VMCB_RIP)
2:  movl $KVMX_NESTED_VMCB, %eax
    vmrun
    cmpl $EXIT_MSR, VMCB(VMCB_EXIT_CODE)
    jne 3f
    WRMSR_CONST KVMX_MSR_TSC_ADJUST, KVMX_SLOT_REFLECTED, 0
    addq $2, VMCB(VMCB_RIP)     // over its WRMSR
    jmp 2b
3:  cmpl $EXIT_VMMCALL, VMCB(VMCB_EXIT_CODE)
    je 4f
    ud2
4:  call next
    jmp 1b

nested_guest:
    leaq SLOT(KVMX_SLOT_CHOSEN, 0), %rbx
    call checked_rdmsr
    movl $KVMX_MSR_TSC_ADJUST, %ecx
    xorl %eax, %eax
    xorl %edx, %edx
    wrmsr
    vmmcall
