// SPDX-License-Identifier: Apache-2.0
#ifndef KVMX_GUEST_OPTIONS_H
#define KVMX_GUEST_OPTIONS_H

#include <chrono>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "program.h"

namespace kvmx::guest {

struct Options {
  const Program* program = nullptr;
  ProgramParameters parameters;
  unsigned vms = 1;
  unsigned vcpus = 1;
  unsigned parked = 0;
  std::chrono::duration<double> duration{0};  // 0: no limit
  std::chrono::milliseconds stagger{0};
  bool one_thread = false;
  std::uint64_t swap_every = 0;  // KVM_RUN returns, 0: threads keep their vCPU
  std::uint64_t repeat = 1;
  std::uint64_t irqs = 0;
  std::uint64_t lines = 0;
  std::uint64_t pit_hz = 0;  // 0: no such chip
  bool answer_msrs = false;
  bool hold_before = false;
  bool hold_after = false;
  std::string qemu_name;
  std::string qemu_uuid;
  std::vector<std::string> exec_as;
  bool looks_like_qemu = false;
};

// The options, or the exit code after help or a complaint was printed.
[[nodiscard]] std::variant<Options, int> parse_options(int argc, const char* const* argv);

}  // namespace kvmx::guest

#endif
