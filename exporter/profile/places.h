// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "exporter/kernel/profile_counts.h"
#include "exporter/names/isa.h"

namespace kvmx {

/// The exits of one VM in some time, as they were counted.
struct Profile {
  std::string vm;         ///< its label
  std::uint32_t pid = 0;  ///< its process
  std::size_t vcpus = 0;  ///< that it has
  std::size_t vms = 1;    ///< of that process, counted together
  Isa isa = Isa::other;
  double seconds = 0;          ///< from the first to the last moment of counting
  double counted_seconds = 0;  ///< in which exits were counted: less, if only slices were
  bool ended = false;          ///< the VM, before its time
  ProfileCounts counts{};

  /// Exits that were counted with their place, or have none: those of chosen reasons.
  [[nodiscard]] std::uint64_t exits() const;
};

/// Where in a guest's address space code is, by the address alone.
enum class Half : std::uint8_t {
  lower,   ///< programs, if the guest's kernel is a 64-bit one; else anything
  upper,   ///< some kernel's, none of the ranges below
  image,   ///< where Linux has its own code
  module,  ///< where Linux has its modules, and programs of its BPF
};

/// Where Linux on x86-64 has its code (Documentation/arch/x86/x86_64/mm.rst), wherever KASLR puts
/// it.
inline constexpr std::uint64_t kImageBegin = 0xffffffff80000000;
inline constexpr std::uint64_t kImageEnd = 0xffffffffc0000000;
inline constexpr std::uint64_t kModulesEnd = 0xffffffffff000000;

Half half_of(std::uint64_t rip);

/// "kernel", "module", "user space", ...: what half_of() says, for people.
std::string half_name(std::uint64_t rip);

/// The exits for one reason at one address.
struct Place {
  std::uint64_t rip = 0;
  std::uint32_t reason = 0;  ///< its code
  kvmx_access access = KVMX_ACCESS_NONE;
  std::uint32_t number = 0;           ///< of the MSR or port
  std::optional<std::uint32_t> vcpu;  ///< if the ranking is by vCPU
  std::uint64_t exits = 0;
  std::size_t vcpus = 0;  ///< on which it was seen, in whichever ranking
};

/// All places, those with most exits first.
std::vector<Place> rank(const ProfileCounts& counts, bool per_vcpu);

/// "write IA32_TSC_DEADLINE", "read 0x1b0", "out 0x80", "write" of an MSR that is not known; empty
/// if nothing was accessed.
std::string access_text(const Place& place);

/// The MSR as metrics name it; nothing if the place is about none, or it is not known.
std::optional<std::uint32_t> msr_of(const Place& place);
std::optional<std::uint32_t> port_of(const Place& place);

/// "0xffffffff8110ac58".
std::string address_text(std::uint64_t address);

/// The codes of an isa's reason by its name, or its number as the exporter shows it; upper and
/// lower case are the same.
std::optional<std::uint32_t> reason_code(Isa isa, const std::string& name);

}  // namespace kvmx
