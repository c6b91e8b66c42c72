// SPDX-License-Identifier: Apache-2.0
//
// A VM's memory: one region from guest-physical 0 with the page tables, GDT,
// IDT and code all vCPUs share, then for each vCPU its GuestPage, stack and
// pool of MSR records.
#ifndef KVMX_GUEST_MEMORY_H
#define KVMX_GUEST_MEMORY_H

#include <cstddef>
#include <cstdint>
#include <span>

#include "guest_abi.h"
#include "handles.h"

namespace kvmx::guest {

class GuestMemory {
 public:
  static constexpr std::uint64_t kPml4Gpa = 0x1000;
  static constexpr std::uint64_t kGdtGpa = 0x4000;
  static constexpr std::uint64_t kGdtLimit = 5 * 8 - 1;
  static constexpr std::uint64_t kIdtGpa = 0x5000;
  static constexpr std::uint64_t kIdtLimit = 256 * 16 - 1;
  static constexpr std::uint16_t kCodeSelector = 0x08;
  static constexpr std::uint16_t kDataSelector = 0x10;
  static constexpr std::uint16_t kTssSelector = 0x18;

  // Throws Error if it does not fit below the MMIO page.
  GuestMemory(unsigned vcpus, std::size_t pool_size);

  [[nodiscard]] std::byte* data() const { return mapping_.data(); }
  [[nodiscard]] std::size_t size() const { return mapping_.size(); }

  [[nodiscard]] std::uint64_t page_gpa(unsigned vcpu) const;
  [[nodiscard]] std::uint64_t stack_top_gpa(unsigned vcpu) const;
  [[nodiscard]] std::uint64_t pool_gpa(unsigned vcpu) const;
  [[nodiscard]] GuestPage& page(unsigned vcpu) const;
  [[nodiscard]] std::span<MsrRecord> pool(unsigned vcpu) const;

  // Where a symbol of guest.S is in guest memory.
  static std::uint64_t code_address(const unsigned char* symbol);

 private:
  void write_page_tables();
  void write_gdt();
  void write_idt();
  void write_code();
  void write_word(std::uint64_t gpa, std::uint64_t value);

  std::size_t pool_size_;
  std::size_t vcpu_size_;
  Mapping mapping_;
};

}  // namespace kvmx::guest

#endif
