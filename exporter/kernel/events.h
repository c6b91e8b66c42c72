// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvmx {

/// The kernel's events that are counted, each by a program and a collector of its own.
enum class Event : std::uint8_t { exit, entry, msr, hv_timer_state, vcpu_wakeup, userspace_exit };

struct EventInfo {
  std::string_view name;       ///< the kernel's, and the label `probe`
  std::string_view collector;  ///< what users switch on and off
  std::string_view gives;      ///< what is counted thereby
};

/// By enum Event.
inline constexpr std::array<EventInfo, 6> kEvents = {{
    {"kvm_exit", "exits", "VM exits by reason; without it, vCPUs are known by their timers only"},
    {"kvm_entry", "handling", "how long exits take, and their latency histogram"},
    {"kvm_msr", "msrs", "MSR accesses by index, and the histogram of timer intervals"},
    {"kvm_hv_timer_state", "timers", "armings of the guest's timer by backend"},
    {"kvm_vcpu_wakeup", "halts", "halts, and how long they last"},
    {"kvm_userspace_exit", "userspace",
     "userspace exits (KVM_RUN returns to the VMM), and time spent there"},
}};

/// What to count.
struct EventSelection {
  std::array<bool, kEvents.size()> collectors = {true, true, true, true, true, true};
  /// Names of further events, none twice, at most KVMX_EVENTS.
  std::vector<std::string> others;
};

constexpr std::size_t index_of(Event event) { return static_cast<std::size_t>(event); }

}  // namespace kvmx
