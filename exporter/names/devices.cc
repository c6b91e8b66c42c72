// SPDX-License-Identifier: Apache-2.0
#include "exporter/names/devices.h"

#include <algorithm>

namespace kvmx {
namespace {

constexpr std::string_view kWindows =
    "Most likely it is a Windows guest without Hyper-V enlightenments, which reads its clock "
    "there.";
constexpr std::string_view kNoGoodClock =
    "Most likely its kernel has no better clock: see its clocksource, which should be kvm-clock, "
    "tsc or Hyper-V's.";
constexpr std::string_view kRtc =
    "Most likely it is a Windows guest without Hyper-V enlightenments, whose tick comes from this "
    "clock, or a program that asks for the time in a loop.";
constexpr std::string_view kConsole =
    "Most likely its kernel or a program writes a great deal to the serial console.";
constexpr std::string_view kIdeDisk =
    "Most likely its disk is an emulated IDE disk, in constant use, in place of a virtio one.";
constexpr std::string_view kScreen =
    "Most likely text or graphics is drawn without a driver for the virtual graphics card.";
constexpr std::string_view kPciSpace =
    "Most likely a driver or a tool in it reads the configuration of its devices in a loop.";
constexpr std::string_view kPolledInput =
    "Most likely its firmware or boot loader waits for a key, or its kernel polls the keyboard.";
constexpr std::string_view kOldDelay =
    "Most likely an old kernel or driver writes there to wait a microsecond: io_delay=none or "
    "udelay in Linux ends it.";
constexpr std::string_view kFirmware =
    "Most likely it is in its firmware, which loads or logs there.";
constexpr std::string_view kOldInterrupts =
    "Most likely it does not use its APICs, so that every interrupt is acknowledged by port: it "
    "was booted with noapic, or is very old.";
constexpr std::string_view kApicByMemory =
    "Most likely its vCPUs use the local APIC by memory, without x2APIC, and this host does not "
    "virtualise it (APICv, AVIC).";

// The PC's own: Linux 7.2, arch/x86/kernel/setup.c (standard_io_resources) and
// include/linux/i8253.h, mc146818rtc.h; IBM's PC AT manual, as Ralf Brown's list of ports has it.
// What virtual PCs add: QEMU 10, docs/specs/ (fw_cfg, pvpanic, acpi_cpu_hotplug, acpi_mem_hotplug,
// acpi_pci_hotplug), hw/i386/, hw/acpi/, hw/isa/ and hw/i386/vmport.c; SeaBIOS, src/config.h
// (PORT_ACPI_PM_BASE) and src/fw/dev-q35.h, put the power management at 0x600, older ones at
// 0xb000; OVMF, OvmfPkg/Include/Library/PlatformInitLib.h, too.
constexpr DeviceRange kPorts[] = {
    {0x20, 0x21, "the old interrupt controller", kOldInterrupts},
    {0x40, 0x43, "the PIT, an old timer chip", kNoGoodClock},
    {0x60, 0x60, "the keyboard controller", kPolledInput},
    {0x61, 0x61, "the speaker and the PIT's second counter", kNoGoodClock},
    {0x64, 0x64, "the keyboard controller", kPolledInput},
    {0x70, 0x71, "the real-time clock", kRtc},
    {0x80, 0x80, "the port for POST codes", kOldDelay},
    {0x92, 0x92, "the system control port"},
    {0xa0, 0xa1, "the second old interrupt controller", kOldInterrupts},
    {0xb2, 0xb3, "the port that calls the firmware (SMI)"},
    {0x170, 0x177, "the second IDE channel", kIdeDisk},
    {0x1f0, 0x1f7, "the first IDE channel", kIdeDisk},
    {0x2e8, 0x2ef, "the serial port COM4", kConsole},
    {0x2f8, 0x2ff, "the serial port COM2", kConsole},
    {0x376, 0x376, "the second IDE channel", kIdeDisk},
    {0x378, 0x37a, "the parallel port"},
    {0x3b0, 0x3df, "the VGA registers", kScreen},
    {0x3e8, 0x3ef, "the serial port COM3", kConsole},
    {0x3f0, 0x3f5, "the floppy controller"},
    {0x3f6, 0x3f6, "the first IDE channel", kIdeDisk},
    {0x3f7, 0x3f7, "the floppy controller"},
    {0x3f8, 0x3ff, "the serial port COM1", kConsole},
    {0x402, 0x402, "the firmware's debug console", kFirmware},
    {0x4d0, 0x4d1, "the old interrupt controllers' edges and levels"},
    {0x505, 0x505, "pvpanic"},
    {0x510, 0x51b, "fw_cfg, QEMU's files for firmware", kFirmware},
    {0x600, 0x605, "ACPI power management"},
    {0x608, 0x60b, "the ACPI PM timer", kWindows},
    {0x620, 0x62f, "ACPI general-purpose events"},
    {0x700, 0x73f, "the SMBus"},
    {0xa00, 0xa17, "memory hot-plug"},
    {0xcd8, 0xce3, "CPU hot-plug"},
    {0xcf8, 0xcff, "the PCI configuration space", kPciSpace},
    {0x5658, 0x5659, "VMware's backdoor"},
    {0xae00, 0xae17, "PCI hot-plug"},
    {0xaf00, 0xaf1f, "CPU hot-plug"},
    {0xafe0, 0xafe3, "ACPI general-purpose events"},
    {0xb008, 0xb00b, "the ACPI PM timer", kWindows},
};

// Linux 7.2, arch/x86/include/asm/apicdef.h, io_apic.h and hpet.h, include/video/vga.h; QEMU 10,
// hw/tpm/tpm_tis.h and include/hw/pci-host/q35.h (the memory-mapped configuration space is where
// the firmware puts it: SeaBIOS at 0xb0000000, OVMF at 0xe0000000).
constexpr DeviceRange kMmio[] = {
    {0xa0000, 0xbffff, "the VGA memory", kScreen},
    {0xb0000000, 0xbfffffff, "the PCI configuration space", kPciSpace},
    {0xe0000000, 0xefffffff, "the PCI configuration space", kPciSpace},
    {0xfec00000, 0xfec00fff, "the I/O APIC"},
    {0xfed00000, 0xfed003ff, "the HPET, an old timer", kNoGoodClock},
    {0xfed40000, 0xfed44fff, "the TPM"},
    {0xfee00000, 0xfee00fff, "the local APIC", kApicByMemory},
};

constexpr bool in_order(std::span<const DeviceRange> devices) {
  for (std::size_t i = 0; i < devices.size(); ++i) {
    if (devices[i].first > devices[i].last) return false;
    if (i > 0 && devices[i - 1].last >= devices[i].first) return false;
  }
  return true;
}
static_assert(in_order(kPorts) && in_order(kMmio));

}  // namespace

std::span<const DeviceRange> port_devices() { return kPorts; }
std::span<const DeviceRange> mmio_devices() { return kMmio; }

const DeviceRange* find_device(std::span<const DeviceRange> devices, std::uint64_t first,
                               std::uint64_t last) {
  const auto at = std::ranges::lower_bound(devices, first, {}, &DeviceRange::last);
  return at != devices.end() && at->first <= last ? &*at : nullptr;
}

const DeviceRange* find_device(std::span<const DeviceRange> devices, std::uint64_t address) {
  return find_device(devices, address, address);
}

}  // namespace kvmx
