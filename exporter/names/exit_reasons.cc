// SPDX-License-Identifier: Apache-2.0
#include "exporter/names/exit_reasons.h"

#include "exporter/names/exit_reason_tables.h"
#include "exporter/names/hex.h"

namespace kvmx {

std::span<const ExitReason> exit_reasons(Isa isa) {
  switch (isa) {
    case Isa::vmx:
      return vmx_exit_reasons();
    case Isa::svm:
      return svm_exit_reasons();
    case Isa::other:
      break;
  }
  return {};
}

std::string_view find_exit_reason(Isa isa, std::uint32_t code) {
  return find_name(exit_reasons(isa), basic_exit_code(isa, code));
}

std::string exit_reason_name(Isa isa, std::uint32_t code) {
  const std::string_view name = find_exit_reason(isa, code);
  return name.empty() ? hex(basic_exit_code(isa, code)) : std::string(name);
}

}  // namespace kvmx
