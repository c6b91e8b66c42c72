// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "exporter/kernel/features.h"
#include "exporter/names/isa.h"

struct bpf_program;
struct kvm_exit_bpf;

namespace kvmx {

/// A program that is to run.
struct SelectedProgram {
  bpf_program* program;  ///< of the skeleton
  std::string event;     ///< or function of KVM, that it is attached to
  std::string name;      ///< unique among the selected ones: the event's, or the program's own
};

/// The programs for what KVM tells of its vCPUs, and those that count the selected events, on a
/// host of this isa and a kernel with these features, in the order in which they are to be
/// attached. The tracepoint programs among them know afterwards where the fields of their records
/// are. An event that cannot be counted is left out, and logged.
std::vector<SelectedProgram> select_programs(kvm_exit_bpf& skeleton, const Features& features,
                                             const EventSelection& selection, Isa isa);

/// The name of the program that counts the further event of this number.
std::string other_program_name(std::size_t number);

}  // namespace kvmx
