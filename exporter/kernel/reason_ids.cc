// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/reason_ids.h"

#include <vector>

#include "exporter/names/exit_reasons.h"

namespace kvmx {
namespace {

/// Where a code stands in kvmx_svm_dense, if it has a place there.
std::optional<std::size_t> svm_entry(std::uint32_t code) {
  if (code < KVMX_SVM_LOW_CODES) return code;
  if (code >= KVMX_SVM_HIGH_BASE && code < KVMX_SVM_HIGH_BASE + KVMX_SVM_HIGH_CODES)
    return KVMX_SVM_LOW_CODES + (code - KVMX_SVM_HIGH_BASE);
  return std::nullopt;
}

/// SVM codes by dense id: the named codes that have a place, in order.
const std::vector<std::uint32_t>& svm_codes() {
  static const std::vector<std::uint32_t> codes = [] {
    std::vector<std::uint32_t> placed;
    for (const ExitReason& reason : exit_reasons(Isa::svm))
      if (svm_entry(reason.code) && placed.size() < KVMX_DENSE_REASONS)
        placed.push_back(reason.code);
    return placed;
  }();
  return codes;
}

}  // namespace

std::array<std::uint8_t, KVMX_SVM_CODES> svm_dense_ids() {
  std::array<std::uint8_t, KVMX_SVM_CODES> ids;
  ids.fill(KVMX_NOT_DENSE);
  std::uint8_t next = 0;
  for (const std::uint32_t code : svm_codes()) ids[*svm_entry(code)] = next++;
  return ids;
}

const WaitExits& wait_exits(Isa isa) {
  static const WaitExits none{};
  static const WaitExits vmx = [] {
    WaitExits waits{};
    waits[12] = KVMX_WAIT_HALT;   // HLT
    waits[40] = KVMX_WAIT_PAUSE;  // PAUSE_INSTRUCTION
    return waits;
  }();
  static const WaitExits svm = [] {
    WaitExits waits{};
    const auto ids = svm_dense_ids();
    waits[ids[0x078]] = KVMX_WAIT_HALT;   // hlt
    waits[ids[0x0a6]] = KVMX_WAIT_HALT;   // idle-halt
    waits[ids[0x077]] = KVMX_WAIT_PAUSE;  // pause
    return waits;
  }();
  if (isa == Isa::other) return none;
  return isa == Isa::vmx ? vmx : svm;
}

std::optional<std::uint32_t> dense_exit_code(Isa isa, std::uint32_t id) {
  if (isa == Isa::vmx && id < KVMX_VMX_REASONS) return id;
  if (isa == Isa::svm && id < svm_codes().size()) return svm_codes()[id];
  return std::nullopt;
}

}  // namespace kvmx
