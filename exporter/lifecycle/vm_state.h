// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace kvmx {

/// Where a VM is in its life, as far as is known.
enum class VmState : std::uint8_t {
  seen,   ///< its counts or its vCPUs were found; nothing says yet whether it still lives
  live,   ///< something says that it lives
  ended,  ///< something says that it has ended; whether its counters have stopped is not known yet
  lingering,  ///< it has ended and its counters stand still: the last values are kept for a while
  released,   ///< its slots were given back
};

/// What can be learned of a VM.
enum class VmEvent : std::uint8_t {
  counted,        ///< its counters have moved since they were last read
  at_rest,        ///< its counters were read again, and have not moved
  listed,         ///< a listing of vCPUs has some of this VM
  destroyed,      ///< KVM has destroyed its vCPUs
  unlisted,       ///< two listings had none of them, and its counters stood still between the two
  process_lives,  ///< its process is there
  process_gone,   ///< its process is not there any more
  read_failed,    ///< a listing or a process could not be read, which is no news of the VM
  linger_over,    ///< its last values were kept for as long as they should be
  slots_wanted,   ///< no slot is free, and this VM ended before all others that have some
};

/// What is to be done on the way from one state to the next.
enum class VmAction : std::uint8_t {
  none,
  note_end,       ///< remember when it ended: its last values are kept from then on
  take_back_end,  ///< it lives after all
  release_slots,
};

struct VmTransition {
  VmState state;
  VmAction action = VmAction::none;
  bool operator==(const VmTransition&) const = default;
};

/// The state machine: where `event` takes a VM that is in `state`.
///
///   seen --> live --> ended --> lingering --> released
///              ^--------+-----------'
///
/// What counts is alive: counters that move bring a VM back, whatever else was said of it.
VmTransition transition(VmState state, VmEvent event);

/// Whether a VM in this state is over: its times stand still, and it has no vCPUs.
constexpr bool is_over(VmState state) { return state >= VmState::ended; }

}  // namespace kvmx
