// SPDX-License-Identifier: Apache-2.0
#include "memory.h"

#include <cstring>

#include "error.h"

namespace kvmx::guest {
namespace {

constexpr std::uint64_t kPdptGpa = 0x2000;
constexpr std::uint64_t kPdGpa = 0x3000;
constexpr std::uint64_t kCodeGpa = 0x10000;
constexpr std::uint64_t kVcpusGpa = 0x100000;
constexpr std::size_t kPageSize = 0x1000;
constexpr std::size_t kStackSize = 0x2000;
constexpr std::size_t kLargePageSize = 0x200000;

std::size_t round_up(std::size_t value, std::size_t unit) {
  return (value + unit - 1) / unit * unit;
}

std::size_t region_size(unsigned vcpus, std::size_t vcpu_size) {
  const std::size_t size = round_up(kVcpusGpa + vcpus * vcpu_size, kLargePageSize);
  if (size > KVMX_MMIO_GPA) {
    throw Error("this many vCPUs with this many --indices need " + std::to_string(size >> 20) +
                " MiB of guest memory, more than the guest maps; ask for fewer");
  }
  return size;
}

}  // namespace

GuestMemory::GuestMemory(unsigned vcpus, std::size_t pool_size)
    : pool_size_(pool_size),
      vcpu_size_(round_up(kPageSize + kStackSize + pool_size * sizeof(MsrRecord), kPageSize)),
      mapping_(Mapping::anonymous(region_size(vcpus, vcpu_size_), "guest memory")) {
  write_page_tables();
  write_gdt();
  write_idt();
  write_code();
}

std::uint64_t GuestMemory::page_gpa(unsigned vcpu) const { return kVcpusGpa + vcpu * vcpu_size_; }

std::uint64_t GuestMemory::stack_top_gpa(unsigned vcpu) const {
  return page_gpa(vcpu) + kPageSize + kStackSize;
}

std::uint64_t GuestMemory::pool_gpa(unsigned vcpu) const { return stack_top_gpa(vcpu); }

GuestPage& GuestMemory::page(unsigned vcpu) const {
  return *reinterpret_cast<GuestPage*>(mapping_.data() + page_gpa(vcpu));
}

std::span<MsrRecord> GuestMemory::pool(unsigned vcpu) const {
  return {reinterpret_cast<MsrRecord*>(mapping_.data() + pool_gpa(vcpu)), pool_size_};
}

std::uint64_t GuestMemory::code_address(const unsigned char* symbol) {
  return kCodeGpa + static_cast<std::uint64_t>(symbol - kvmx_guest_begin);
}

void GuestMemory::write_word(std::uint64_t gpa, std::uint64_t value) {
  std::memcpy(mapping_.data() + gpa, &value, sizeof value);
}

// The first GiB, address for address, in 2 MiB pages.  Accessed and dirty are
// set beforehand, so that the hardware has no reason to write here.
void GuestMemory::write_page_tables() {
  constexpr std::uint64_t table = 0x27;  // present, writable, user, accessed
  constexpr std::uint64_t page = 0xe3;   // present, writable, accessed, dirty, large
  write_word(kPml4Gpa, kPdptGpa | table);
  write_word(kPdptGpa, kPdGpa | table);
  for (std::uint64_t i = 0; i < 512; ++i) write_word(kPdGpa + i * 8, i * kLargePageSize | page);
}

// The segments KVM_SET_SREGS loads, for iretq's and the interrupts' reloads.
void GuestMemory::write_gdt() {
  write_word(kGdtGpa + kCodeSelector, 0x00af9b000000ffff);
  write_word(kGdtGpa + kDataSelector, 0x00cf93000000ffff);
  write_word(kGdtGpa + kTssSelector, 0x00008b0000000067);
}

void GuestMemory::write_idt() {
  for (std::uint64_t vector = 0; vector < 256; ++vector) {
    std::uint64_t handler = code_address(kvmx_guest_stubs) + vector * KVMX_STUB_SIZE;
    if (vector == KVMX_VECTOR_GP) handler = code_address(kvmx_guest_gp_handler);
    if (vector == KVMX_VECTOR_TIMER) handler = code_address(kvmx_guest_timer_handler);
    if (vector == KVMX_VECTOR_TICK) handler = code_address(kvmx_guest_tick_handler);
    if (vector == KVMX_VECTOR_SPURIOUS) handler = code_address(kvmx_guest_spurious_handler);
    constexpr std::uint64_t interrupt_gate = 0x8e00;
    const std::uint64_t low = (handler & 0xffff) | std::uint64_t{kCodeSelector} << 16 |
                              interrupt_gate << 32 | (handler >> 16 & 0xffff) << 48;
    write_word(kIdtGpa + vector * 16, low);
    write_word(kIdtGpa + vector * 16 + 8, handler >> 32);
  }
}

void GuestMemory::write_code() {
  const auto size = static_cast<std::size_t>(kvmx_guest_end - kvmx_guest_begin);
  if (kCodeGpa + size > kVcpusGpa) throw Error("the guest programs are too large");
  std::memcpy(mapping_.data() + kCodeGpa, kvmx_guest_begin, size);
}

}  // namespace kvmx::guest
