// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/reason_ids.h"

#include <algorithm>
#include <array>
#include <vector>

#include "exporter/names/exit_reasons.h"

namespace kvmx {
namespace {

constexpr struct {
  Isa isa;
  std::uint32_t code;
  Idle kind;
} kIdleExits[] = {
    {Isa::vmx, 12, Idle::halt},      // HLT
    {Isa::vmx, 40, Idle::pause},     // PAUSE_INSTRUCTION
    {Isa::svm, 0x078, Idle::halt},   // hlt
    {Isa::svm, 0x0a6, Idle::halt},   // idle-halt
    {Isa::svm, 0x077, Idle::pause},  // pause
};

Idle idle_kind(Isa isa, std::uint32_t code) {
  for (const auto& known : kIdleExits)
    if (known.isa == isa && known.code == code) return known.kind;
  return Idle::none;
}

/// Exits for an access by RDMSR or WRMSR.
constexpr struct {
  Isa isa;
  std::uint32_t code;
  std::uint32_t flags;
} kMsrExits[] = {
    {Isa::vmx, KVMX_VMX_MSR_READ, KVMX_EXIT_MSR},
    {Isa::vmx, KVMX_VMX_MSR_WRITE, KVMX_EXIT_MSR | KVMX_EXIT_MSR_WRITE},
    {Isa::vmx, KVMX_VMX_MSR_READ_IMM, KVMX_EXIT_MSR | KVMX_EXIT_MSR_LATE},
    {Isa::vmx, KVMX_VMX_MSR_WRITE_IMM, KVMX_EXIT_MSR_FLAGS},
    {Isa::svm, KVMX_SVM_MSR, KVMX_EXIT_MSR},
};

std::uint32_t msr_flags(Isa isa, std::uint32_t code, MsrCounting msrs) {
  for (const auto& known : kMsrExits)
    if (msrs == MsrCounting::entry && known.isa == isa && known.code == code) return known.flags;
  return 0;
}

/// Where a code stands in kvmx_dense, if it has a place there.
std::optional<std::size_t> dense_place(std::uint32_t code) {
  if (code < KVMX_LOW_CODES) return code;
  if (code >= KVMX_HIGH_BASE && code < KVMX_HIGH_BASE + KVMX_HIGH_CODES)
    return KVMX_LOW_CODES + (code - KVMX_HIGH_BASE);
  return std::nullopt;
}

/// SVM codes by dense id: the named codes that have a place, in order.
const std::vector<std::uint32_t>& svm_codes() {
  static const std::vector<std::uint32_t> codes = [] {
    std::vector<std::uint32_t> placed;
    for (const ExitReason& reason : exit_reasons(Isa::svm))
      if (dense_place(reason.code) && placed.size() < KVMX_DENSE_REASONS)
        placed.push_back(reason.code);
    return placed;
  }();
  return codes;
}

IdleExits make_idle_exits(Isa isa) {
  IdleExits exits{};
  for (std::uint32_t id = 0; id < KVMX_DENSE_REASONS; ++id)
    if (const auto code = dense_exit_code(isa, id)) exits[id] = idle_kind(isa, *code);
  return exits;
}

}  // namespace

DenseEntries dense_entries(Isa isa, MsrCounting msrs) {
  DenseEntries entries;
  entries.fill(KVMX_NOT_DENSE);
  for (std::uint32_t id = 0; id < KVMX_DENSE_REASONS; ++id) {
    const auto code = dense_exit_code(isa, id);
    if (!code) continue;
    const std::uint32_t idle = idle_kind(isa, *code) != Idle::none ? KVMX_EXIT_IDLE : 0;
    entries[*dense_place(*code)] =
        static_cast<std::uint16_t>(id | idle | msr_flags(isa, *code, msrs));
  }
  return entries;
}

const IdleExits& idle_exits(Isa isa) {
  static const IdleExits other = make_idle_exits(Isa::other);
  static const IdleExits vmx = make_idle_exits(Isa::vmx);
  static const IdleExits svm = make_idle_exits(Isa::svm);
  if (isa == Isa::other) return other;
  return isa == Isa::vmx ? vmx : svm;
}

std::optional<std::uint32_t> dense_exit_code(Isa isa, std::uint32_t id) {
  if (isa == Isa::vmx && id < KVMX_VMX_REASONS) return id;
  if (isa == Isa::svm && id < svm_codes().size()) return svm_codes()[id];
  return std::nullopt;
}

}  // namespace kvmx
