// SPDX-License-Identifier: Apache-2.0
#include "exporter/lifecycle/vm_state.h"

namespace kvmx {
namespace {

VmTransition lives(VmState state) {
  switch (state) {
    case VmState::seen:
    case VmState::live:
      return {VmState::live};
    case VmState::ended:
    case VmState::lingering:
      return {VmState::live, VmAction::take_back_end};
    case VmState::released:
      break;
  }
  return {state};
}

VmTransition ends(VmState state) {
  return is_over(state) ? VmTransition{state} : VmTransition{VmState::ended, VmAction::note_end};
}

VmTransition releases(VmState state) {
  if (state != VmState::lingering) return {state};
  return {VmState::released, VmAction::release_slots};
}

}  // namespace

VmTransition transition(VmState state, VmEvent event) {
  switch (event) {
    case VmEvent::counted:
    case VmEvent::listed:
      return lives(state);
    case VmEvent::process_lives:
      // A VM may end and its process live on, so this brings none back.
      return {state == VmState::seen ? VmState::live : state};
    case VmEvent::process_gone:
    case VmEvent::destroyed:
    case VmEvent::unlisted:
      return ends(state);
    case VmEvent::at_rest:
      return {state == VmState::ended ? VmState::lingering : state};
    case VmEvent::linger_over:
    case VmEvent::slots_wanted:
      return releases(state);
    case VmEvent::read_failed:
      break;
  }
  return {state};
}

}  // namespace kvmx
