// SPDX-License-Identifier: Apache-2.0
#include "exporter/names/exit_reason_tables.h"

namespace kvmx {
namespace {

// VMX_EXIT_REASONS of arch/x86/include/uapi/asm/vmx.h, Linux 7.2, checked against the text of the
// kvm_exit trace format in the kvm.ko of Debian's 5.10, 6.1, 6.12 and 7.2: the older ones lack some
// of these and have none that differs. Codes that have a macro but no trace name (OTHER_SMI 6,
// SEAMCALL 76) are left out: the kernel prints them in hex, and so do we.
constexpr ExitReason kVmxExitReasons[] = {
    {0x000, "EXCEPTION_NMI"},
    {0x001, "EXTERNAL_INTERRUPT"},
    {0x002, "TRIPLE_FAULT"},
    {0x003, "INIT_SIGNAL"},
    {0x004, "SIPI_SIGNAL"},
    {0x007, "INTERRUPT_WINDOW"},
    {0x008, "NMI_WINDOW"},
    {0x009, "TASK_SWITCH"},
    {0x00a, "CPUID"},
    {0x00c, "HLT"},
    {0x00d, "INVD"},
    {0x00e, "INVLPG"},
    {0x00f, "RDPMC"},
    {0x010, "RDTSC"},
    {0x012, "VMCALL"},
    {0x013, "VMCLEAR"},
    {0x014, "VMLAUNCH"},
    {0x015, "VMPTRLD"},
    {0x016, "VMPTRST"},
    {0x017, "VMREAD"},
    {0x018, "VMRESUME"},
    {0x019, "VMWRITE"},
    {0x01a, "VMOFF"},
    {0x01b, "VMON"},
    {0x01c, "CR_ACCESS"},
    {0x01d, "DR_ACCESS"},
    {0x01e, "IO_INSTRUCTION"},
    {0x01f, "MSR_READ"},
    {0x020, "MSR_WRITE"},
    {0x021, "INVALID_STATE"},
    {0x022, "MSR_LOAD_FAIL"},
    {0x024, "MWAIT_INSTRUCTION"},
    {0x025, "MONITOR_TRAP_FLAG"},
    {0x027, "MONITOR_INSTRUCTION"},
    {0x028, "PAUSE_INSTRUCTION"},
    {0x029, "MCE_DURING_VMENTRY"},
    {0x02b, "TPR_BELOW_THRESHOLD"},
    {0x02c, "APIC_ACCESS"},
    {0x02d, "EOI_INDUCED"},
    {0x02e, "GDTR_IDTR"},
    {0x02f, "LDTR_TR"},
    {0x030, "EPT_VIOLATION"},
    {0x031, "EPT_MISCONFIG"},
    {0x032, "INVEPT"},
    {0x033, "RDTSCP"},
    {0x034, "PREEMPTION_TIMER"},
    {0x035, "INVVPID"},
    {0x036, "WBINVD"},
    {0x037, "XSETBV"},
    {0x038, "APIC_WRITE"},
    {0x039, "RDRAND"},
    {0x03a, "INVPCID"},
    {0x03b, "VMFUNC"},
    {0x03c, "ENCLS"},
    {0x03d, "RDSEED"},
    {0x03e, "PML_FULL"},
    {0x03f, "XSAVES"},
    {0x040, "XRSTORS"},
    {0x043, "UMWAIT"},
    {0x044, "TPAUSE"},
    {0x04a, "BUS_LOCK"},
    {0x04b, "NOTIFY"},
    {0x04d, "TDCALL"},
    {0x054, "MSR_READ_IMM"},
    {0x055, "MSR_WRITE_IMM"},
};

static_assert(is_sorted_unique(kVmxExitReasons));

}  // namespace

std::span<const ExitReason> vmx_exit_reasons() { return kVmxExitReasons; }

}  // namespace kvmx
