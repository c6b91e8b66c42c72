// SPDX-License-Identifier: Apache-2.0
//
// The guest programs by name, and their parameters.
#ifndef KVMX_GUEST_PROGRAM_H
#define KVMX_GUEST_PROGRAM_H

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "guest_abi.h"

namespace kvmx::guest {

enum class Clock { none, tsc, apic };  // what GuestPage::period counts

struct Program {
  std::string_view name;
  std::string_view help;
  const unsigned char* entry;  // a symbol of guest.S
  Clock clock;
  bool counted;  // ends by itself after --count iterations
  bool stops;    // looks at GuestPage::stop; else it must be kicked out
};

struct ProgramParameters {
  std::uint64_t count = 0;  // 0: until stopped
  double rate_hz = 1000;
  std::uint64_t yield_every = 0;
  std::uint32_t msr = 0;
  std::uint64_t value = 0;
  std::uint64_t seed = 1;
  std::uint64_t indices = 0;    // random-msr: size of the pool
  std::uint64_t deadlines = 0;  // random-msr
  std::uint64_t ports = 4;      // io
  std::uint64_t pages = 4;      // io
};

[[nodiscard]] std::span<const Program> programs();
[[nodiscard]] const Program* find_program(std::string_view name);

// How many MsrRecords a vCPU needs beside those of its page.
[[nodiscard]] std::uint64_t pool_size(const Program& program, const ProgramParameters& parameters);

// A sentence if the program cannot be run so.
[[nodiscard]] std::optional<std::string_view> objection(const Program& program,
                                                        const ProgramParameters& parameters);

// Fills in a zeroed page.  `ordinal` numbers the vCPUs of all VMs: each has its
// own random sequence.
void write_parameters(const Program& program, const ProgramParameters& parameters,
                      std::uint64_t ordinal, std::uint64_t tsc_hz, std::uint64_t pool_gpa,
                      GuestPage& page);

}  // namespace kvmx::guest

#endif
