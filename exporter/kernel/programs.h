// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exporter/kernel/features.h"

struct bpf_program;
struct kvm_exit_bpf;

namespace kvmx {

/// The program that serves `event` on a kernel with these features, told where the fields of its
/// record are if it is a classic one. Null, and logged, if the event must be left out.
bpf_program* choose_program(kvm_exit_bpf& skeleton, const Features& features, Event event);

}  // namespace kvmx
