// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "exporter/base/result.h"
#include "exporter/kernel/bpf_owners.h"
#include "exporter/kernel/programs.h"

namespace kvmx {

/// Why the kernel may have refused BPF programs with this errno, and the cure. Without
/// CAP_SYS_ADMIN libbpf silently ignores the BTF of modules, and then fails for want of it with
/// some other error.
Error load_error(int error_number);

/// The programs and maps of bpf/kvm_exit.bpf.c, with all that shapes them before loading set, for a
/// host of this isa and with room for `max_vcpus`. Not loaded.
Result<ExitSkeletonPtr> open_skeleton(const Features& features, const EventSelection& selection,
                                      Isa isa, std::uint32_t max_vcpus);

/// Loads these programs of the skeleton, no others, and its maps. The error says why the kernel may
/// have refused, and the cure.
Result<void> load_skeleton(kvm_exit_bpf& skeleton, std::span<const SelectedProgram> programs);

}  // namespace kvmx
