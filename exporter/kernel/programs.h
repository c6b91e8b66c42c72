// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exporter/kernel/features.h"
#include "exporter/names/isa.h"

struct bpf_program;
struct kvm_exit_bpf;

namespace kvmx {

/// The program that serves `event` on a host of this isa and a kernel with these features, next to
/// the others selected; if it is a tracepoint program, it knows afterwards where the fields of its
/// record are. Null, and logged, if the event must be left out.
bpf_program* choose_program(kvm_exit_bpf& skeleton, const Features& features,
                            const EventSelection& wanted, Isa isa, Event event);

}  // namespace kvmx
