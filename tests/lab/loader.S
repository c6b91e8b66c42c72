# SPDX-License-Identifier: Apache-2.0
# Boot loader of the emulated Intel host: takes an uncompressed vmlinux and an
# initramfs from the boot disk to their places in memory and enters the kernel by
# the 64-bit boot protocol (Linux, Documentation/arch/x86/boot.rst).
#
# Emulated, decompressing a stock vmlinuz takes longer than the rest of the boot.
# This takes a second or two.
#
# The BIOS loads sector 0 at 0x7c00. That loads the rest of the first SECTORS right
# behind itself: the rest of the loader, boot_params, which intel-disk.sh filled in,
# and the command line. boot_params has room for our own words: TABLE holds two rows of
# {first sector, sectors, address}, then the kernel's entry.

        .set    SECTORS, 18             # 2 loader, 8 boot_params, 8 command line
        .set    BOOT_PARAMS, 0x8000
        .set    E820_COUNT, BOOT_PARAMS + 0x1e8
        .set    E820_TABLE, BOOT_PARAMS + 0x2d0
        .set    TABLE, BOOT_PARAMS + 0xef0
        .set    ENTRY, TABLE + 24
        .set    BUFFER, 0x10000         # disk reads land here
        .set    CHUNK, 64               # sectors a read
        .set    PAGES, 0x80000          # page tables

        .code16
        .globl  _start
_start:
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    $0x7c00, %sp
        ljmp    $0, $1f
1:      cld
        movb    %dl, drive
        inb     $0x92, %al              # gate A20
        orb     $2, %al
        outb    %al, $0x92

        movw    $SECTORS - 1, packet_count
        movl    $1, packet_lba
        movl    $0x07e00000, packet_address     # 07e0:0000
        call    read_disk
        jmp     boot

read_disk:
        pushal                          # a BIOS may spoil the high halves
        movw    $packet, %si
        movb    $0x42, %ah
        movb    drive, %dl
        int     $0x13
        popal
        jc      failed
        ret

failed:                                 # without a console, say so on COM1
        movw    $0x3f8, %dx
        movw    $message, %si
1:      lodsb
        outb    %al, %dx
        testb   %al, %al
        jnz     1b
        hlt
        jmp     failed

packet: .byte   16, 0
packet_count:
        .word   0
packet_address:
        .long   0                       # segment in the high half
packet_lba:
        .long   0, 0
drive:  .byte   0
message:
        .asciz  "lab: loader: cannot read the boot disk\n"

        .org    510
        .word   0xaa55

boot:   xorl    %ebx, %ebx              # memory map
        movw    $E820_TABLE, %di
2:      movl    $0xe820, %eax
        movl    $20, %ecx
        movl    $0x534d4150, %edx       # "SMAP"
        int     $0x15
        jc      3f
        addw    $20, %di
        incb    E820_COUNT
        testl   %ebx, %ebx
        jnz     2b

3:      movw    $TABLE, %si
        call    load_image
        movw    $TABLE + 12, %si
        call    load_image

        cli
        lgdt    gdt_pointer
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmp    $0x20, $protected

# load_image: %si is a row of TABLE; its address is carried along in %edi.
load_image:
        movl    8(%si), %edi
1:      movl    4(%si), %ecx
        jecxz   2f
        cmpl    $CHUNK, %ecx
        jbe     3f
        movl    $CHUNK, %ecx
3:      movw    %cx, packet_count
        movl    (%si), %eax
        movl    %eax, packet_lba
        movl    $BUFFER << 12, packet_address   # 1000:0000
        addl    %ecx, (%si)
        subl    %ecx, 4(%si)
        shll    $7, %ecx                # in words of 32 bits
        pushl   %ecx
        call    read_disk
        popl    %ecx
        call    copy_high
        jmp     1b
2:      ret

# copy_high: %ecx words from BUFFER to %edi, above what real mode can address:
# with the limits of segments loaded in a moment of protected mode.
copy_high:
        pushw   %si
        cli
        lgdt    gdt_pointer
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        movw    $0x18, %bx
        movw    %bx, %ds
        movw    %bx, %es
        movl    $BUFFER, %esi
        rep movsl %ds:(%esi), %es:(%edi)
        andb    $0xfe, %al
        movl    %eax, %cr0
        xorw    %bx, %bx
        movw    %bx, %ds
        movw    %bx, %es
        sti
        popw    %si
        ret

        .code32
protected:
        movl    $0x18, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        # Identity map of the first GiB in pages of 2 MiB.
        movl    $PAGES, %edi
        xorl    %eax, %eax
        movl    $3 * 1024, %ecx
        rep stosl
        movl    $PAGES + 0x1003, PAGES
        movl    $PAGES + 0x2003, PAGES + 0x1000
        movl    $PAGES + 0x2000, %edi
        movl    $0x83, %eax
1:      movl    %eax, (%edi)
        addl    $8, %edi
        addl    $0x200000, %eax
        cmpl    $0x40000083, %eax
        jne     1b
        movl    $PAGES, %eax
        movl    %eax, %cr3
        movl    $0x20, %eax             # PAE
        movl    %eax, %cr4
        movl    $0xc0000080, %ecx       # EFER.LME
        rdmsr
        orl     $0x100, %eax
        wrmsr
        movl    %cr0, %eax
        orl     $0x80000000, %eax
        movl    %eax, %cr0
        ljmp    $0x10, $long

        .code64
long:
        movl    $BOOT_PARAMS, %esi
        movl    ENTRY, %eax
        jmp     *%rax

        .balign 8
gdt:    .quad   0, 0
        .quad   0x00af9b000000ffff      # 0x10 64-bit code
        .quad   0x00cf93000000ffff      # 0x18 data
        .quad   0x00cf9b000000ffff      # 0x20 32-bit code
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .long   gdt

        .org    1024
