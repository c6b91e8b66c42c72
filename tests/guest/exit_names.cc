// SPDX-License-Identifier: Apache-2.0
#include "exit_names.h"

#include <string.h>

#include <array>
#include <charconv>

namespace kvmx::guest {
namespace {

// <linux/kvm.h>, Linux 6.12; empty where the number is another architecture's
// or unused.
constexpr std::array<const char*, 40> kNames{
    "UNKNOWN",
    "EXCEPTION",
    "IO",
    "HYPERCALL",
    "DEBUG",
    "HLT",
    "MMIO",
    "IRQ_WINDOW_OPEN",
    "SHUTDOWN",
    "FAIL_ENTRY",
    "INTR",
    "SET_TPR",
    "TPR_ACCESS",
    "",
    "",
    "",
    "NMI",
    "INTERNAL_ERROR",
    "",
    "",
    "",
    "",
    "",
    "",
    "SYSTEM_EVENT",
    "",
    "IOAPIC_EOI",
    "HYPERV",
    "",
    "X86_RDMSR",
    "X86_WRMSR",
    "DIRTY_RING_FULL",
    "AP_RESET_HOLD",
    "X86_BUS_LOCK",
    "XEN",
    "",
    "",
    "NOTIFY",
    "",
    "MEMORY_FAULT",
};

}  // namespace

std::string exit_name(std::uint32_t reason) {
  const bool known = reason < kNames.size() && kNames[reason] != nullptr && *kNames[reason] != '\0';
  return "KVM_EXIT_" + (known ? std::string{kNames[reason]} : std::to_string(reason));
}

std::string errno_name(int number) {
  const char* name = ::strerrorname_np(number);
  return name != nullptr ? name : "errno " + std::to_string(number);
}

std::string hex(std::uint64_t value) {
  std::array<char, 16> digits{};
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value, 16);
  return "0x" + std::string(digits.data(), end);
}

}  // namespace kvmx::guest
