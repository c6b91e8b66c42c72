// SPDX-License-Identifier: Apache-2.0
#include "exporter/diagnosis/words.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>

#include "bpf/vcpu_slot.h"
#include "exporter/diagnosis/counters.h"
#include "exporter/diagnosis/kvm_exit_codes.h"
#include "exporter/names/devices.h"
#include "exporter/names/hex.h"
#include "exporter/names/msr.h"
#include "exporter/names/userspace_exits.h"

namespace kvmx::words {
namespace {

std::string fixed(double value, int digits) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  return text.data();
}

/// Exit reasons that have one usual cause, on Intel and AMD.
struct Cause {
  std::string_view reason;
  std::string_view text;
};

constexpr std::string_view kMemory =
    "Most likely its memory is touched for the first time, was swapped out or ballooned, or is "
    "being "
    "copied by a migration.";
constexpr std::string_view kDevices =
    "Most likely a device that KVM or the VMM emulates by port or by memory is in constant use: a "
    "clock, a console, a disk that is not virtio.";
constexpr std::string_view kInterrupts =
    "Most likely interrupts for the host or for its devices keep arriving on the CPUs that it runs "
    "on.";
constexpr std::string_view kLocks =
    "Most likely its vCPUs spin on locks whose holders have no CPU: the host has fewer CPUs than "
    "its guests want.";
constexpr std::string_view kCpuid =
    "Most likely a program runs CPUID in a loop, and every one of them leaves the guest.";
constexpr std::string_view kNested =
    "Most likely it runs guests of its own, each of whose exits costs several of these.";
constexpr std::string_view kRegisters =
    "Most likely its kernel switches registers that this virtual machine must not have to itself.";
constexpr std::string_view kHypercalls = "Most likely its kernel calls the hypervisor in a loop.";
constexpr std::string_view kMsrs =
    "Most likely its kernel or a driver reads or writes model-specific registers in a loop.";
constexpr std::string_view kClock =
    "Most likely its programs read a time stamp counter that this virtual machine must not read "
    "directly.";

constexpr Cause kCauses[] = {
    {"EPT_VIOLATION", kMemory},
    {"npf", kMemory},
    {"PML_FULL", kMemory},
    {"EPT_MISCONFIG", kDevices},
    {"IO_INSTRUCTION", kDevices},
    {"io", kDevices},
    {"EXTERNAL_INTERRUPT", kInterrupts},
    {"interrupt", kInterrupts},
    {"INTERRUPT_WINDOW", kInterrupts},
    {"vintr", kInterrupts},
    {"PAUSE_INSTRUCTION", kLocks},
    {"pause", kLocks},
    {"CPUID", kCpuid},
    {"cpuid", kCpuid},
    {"VMCALL", kHypercalls},
    {"vmmcall", kHypercalls},
    {"VMRESUME", kNested},
    {"VMREAD", kNested},
    {"VMWRITE", kNested},
    {"vmrun", kNested},
    {"CR_ACCESS", kRegisters},
    {"DR_ACCESS", kRegisters},
    {"MSR_READ", kMsrs},
    {"MSR_WRITE", kMsrs},
    {"msr", kMsrs},
    {"RDTSC", kClock},
    {"RDTSCP", kClock},
    {"rdtsc", kClock},
    {"rdtscp", kClock},
};

}  // namespace

std::string grouped(double value) {
  std::string digits = std::to_string(std::llround(value));
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

std::string cpus(double value) {
  if (value < 0.005) return "less than 0.01 CPUs";
  return fixed(value, value < 10 ? 2 : 1) + " CPUs";
}

std::string percent(double share) { return fixed(100 * share, 0) + " %"; }

std::string vcpus(std::size_t some, std::size_t running) {
  if (running == 1) return "its only running vCPU";
  if (some >= running && running == 2) return "both running vCPUs";
  if (some >= running) return "all " + std::to_string(running) + " running vCPUs";
  return std::to_string(some) + " of its " + std::to_string(running) + " running vCPUs";
}

std::string msr(std::uint32_t index) {
  const std::string_view name = msr_name(index);
  if (name.empty()) return "MSR " + hex(index);
  return "MSR " + std::string(name) + " (" + hex(index) + ")";
}

std::string_view msr_cause(std::uint32_t index) {
  constexpr std::uint32_t kApic = 0x800;
  constexpr std::uint32_t kApicEnd = 0x900;
  constexpr std::uint32_t kHyperVApic = 0x40000070;  // EOI, ICR, TPR
  if ((index >= kApic && index < kApicEnd) || (index >= kHyperVApic && index < kHyperVApic + 3))
    return "Most likely its vCPUs send each other interrupts, and this host does not virtualise "
           "them (APICv, AVIC).";
  constexpr std::uint32_t kSpecCtrl = 0x48;
  constexpr std::uint32_t kPredCmd = 0x49;
  if (index == kSpecCtrl || index == kPredCmd)
    return "Most likely its kernel mends a fault of the CPU at each switch between programs, by a "
           "register that this virtual machine must not have to itself.";
  return "Most likely a driver or a monitoring tool reads or writes it in a loop, often one that "
         "this virtual CPU does not have.";
}

std::string_view exit_cause(std::string_view reason) {
  const auto* const known = std::ranges::find(kCauses, reason, &Cause::reason);
  return known != std::end(kCauses)
             ? known->text
             : "What makes it leave for this is best seen in the guest: something there runs in a "
               "loop.";
}

std::string_view userspace_exit_cause(std::uint32_t id) {
  switch (id) {
    case kvm_exit::kIo:
      return "Most likely it uses a device by port all the time: a serial console, an IDE disk, or "
             "the ACPI timer for a clock.";
    case kvm_exit::kMmio:
      return "Most likely it uses an emulated device all the time: the HPET for a clock, a VGA "
             "screen, a disk or network card that is not virtio.";
    case kvm_exit::kX86Rdmsr:
    case kvm_exit::kX86Wrmsr:
      return "Most likely a driver or a tool in it accesses, in a loop, a register that the VMM "
             "has "
             "asked to see.";
    case kvm_exit::kHlt:
      return "Most likely the VMM keeps the interrupt controller to itself, so that each halt "
             "comes "
             "to it.";
    case kvm_exit::kIntr:
    case KVMX_USERSPACE_RESTART:
      return "Most likely the VMM, or a tool that traces it, keeps sending signals to the threads "
             "of "
             "its vCPUs.";
    default:
      return "What makes it return for this is best seen in the VMM.";
  }
}

namespace {

const DeviceRange* device_at(IoSpace space, std::uint64_t address) {
  if (space == IoSpace::port) return find_device(port_devices(), address);
  constexpr std::uint64_t kPage = std::uint64_t{1} << KVMX_PAGE_SHIFT;
  return find_device(mmio_devices(), address, address + kPage - 1);
}

}  // namespace

std::string_view device(IoSpace space, std::uint64_t address) {
  const DeviceRange* const device = device_at(space, address);
  return device ? device->name : std::string_view{};
}

std::string place(const TopPlace& place) {
  const DeviceRange* const device = device_at(place.space, place.address);
  return (place.space == IoSpace::port ? "port " : "the page at ") + hex(place.address) +
         (device ? ", " + std::string(device->name) + "," : std::string());
}

std::string_view place_cause(const TopPlace& place) {
  const DeviceRange* const device = device_at(place.space, place.address);
  if (device) return device->cause;
  if (place.space == IoSpace::mmio && place.write)
    return "Most likely a device without a ring in the kernel is in constant use: each write tells "
           "the VMM of work, as a virtio queue without an eventfd does.";
  return {};
}

std::string userspace_exit(std::uint32_t id) {
  switch (id) {
    case KVMX_USERSPACE_RESTART:
      return userspace_exit_name(0, -EINTR);
    case KVMX_USERSPACE_ERROR:
      return userspace_exit_name(0, -EIO);
    case KVMX_USERSPACE_OTHER:
    case CodeCounter::kOther:
      return "other";
    default:
      return userspace_exit_name(id);
  }
}

}  // namespace kvmx::words
