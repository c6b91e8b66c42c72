// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "exporter/diagnosis/diagnosis.h"

namespace kvmx {

/// What one vCPU does in a second.
struct Doing {
  double programs = 0;
  double arms = 0;
  double halts = 0;
  double halted = 0;  ///< share of its time
  double polled = 0;
  double exits = 0;
  double exit_us = 0;  ///< each, from exit to entry, waiting left out
  double msr = 0;      ///< accesses of `msr_index`
  double userspace_exits = 0;
  double vmm_us = 0;  ///< each
  double cpu = 0;     ///< share of its time that its thread has a CPU
  double waits = 0;   ///< and wants one in vain
  std::uint32_t msr_index = 0x1a0;
  std::uint32_t reason = 48;  ///< EPT_VIOLATION
  std::uint32_t vmm_reason = 2;
};

/// An idle vCPU whose tick stops.
inline constexpr Doing kIdle = {
    .programs = 14, .arms = 18, .halts = 5, .halted = 0.99, .exits = 20};

/// A guest whose vCPUs may each do something else.
struct Guest {
  std::vector<Doing> vcpus;
  Isa isa = Isa::vmx;
  bool unknown_vcpus = false;               ///< all of it is counted, and of no known vCPU
  std::map<std::uint32_t, double> lines{};  ///< changes a second of its interrupt lines, by GSI
  std::vector<TopPlace> places{};           ///< what it reads or writes, so often a second
};

/// `vcpus` vCPUs that do the same.
Guest guest_of(std::size_t vcpus, const Doing& doing);

/// `doing`, so many of it in all, shared by the vCPUs: as people measure guests.
Guest shared_by(std::size_t vcpus, const Doing& doing);

/// A host whose guests count like real ones, diagnosed once a second.
class SimulatedHost {
 public:
  SimulatedHost() { facts_ = {64, Isa::vmx, true, true}; }

  HostFacts& facts() { return facts_; }

  /// Begins, or changes what a guest does from now on; it keeps its counters.
  void run(std::uint32_t pid, const Guest& guest) { guests_[pid] = guest; }
  void end(std::uint32_t pid) { ended_.insert(pid); }
  void forget(std::uint32_t pid);

  /// Lets time pass, a round each `step` seconds.
  void pass(double seconds, double step = 1);

  /// Time in which nobody looks, or the clock is set.
  void jump(double seconds) { now_ns_ += static_cast<std::int64_t>(seconds * 1e9); }

  /// The counters of a vCPU, to be tampered with.
  VcpuCounters& counters(std::uint32_t pid, std::size_t vcpu) { return counts_[pid].vcpus[vcpu]; }

  [[nodiscard]] const VmDiagnosis& diagnosis(std::uint32_t pid) const;
  [[nodiscard]] std::set<std::string> findings(std::uint32_t pid) const;
  [[nodiscard]] const Finding* finding(std::uint32_t pid, FindingKind kind) const;
  [[nodiscard]] double held(std::uint32_t pid, FindingKind kind) const;

 private:
  void count(std::uint32_t pid, const Guest& guest, double seconds);

  HostFacts facts_;
  std::map<std::uint32_t, Guest> guests_;
  std::map<std::uint32_t, VmCounters> counts_;
  std::set<std::uint32_t> ended_;
  std::uint64_t now_ns_ = 1'000'000'000'000;
  Diagnosis diagnosis_;
};

}  // namespace kvmx
