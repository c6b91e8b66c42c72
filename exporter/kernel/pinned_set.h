// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "exporter/base/result.h"
#include "exporter/base/unique_fd.h"
#include "exporter/kernel/bpf_owners.h"
#include "exporter/kernel/pin_directory.h"
#include "exporter/kernel/programs.h"
#include "exporter/kernel/slot_table.h"

namespace kvmx {

/// Programs and maps that an exporter before this one pinned, and that have gone on counting.
struct PinnedSet {
  SlotMapFds maps;
  std::map<std::string, int, std::less<>> programs;  ///< descriptors by SelectedProgram::name
  std::vector<UniqueFd> owners;                      ///< of all of them
};

/// All that shapes the programs and maps, and with them what is in a slot. `skeleton` is not
/// loaded.
SetHash set_hash(const kvm_exit_bpf& skeleton, std::uint32_t max_vcpus,
                 std::span<const SelectedProgram> programs);

/// Opens the chosen set of `pins`. It is an error if anything in it differs from what `skeleton`,
/// which is not loaded, and these programs would become.
Result<PinnedSet> open_pinned(const PinDirectory& pins, const kvm_exit_bpf& skeleton,
                              std::span<const SelectedProgram> programs);

/// Pins these maps and loaded programs, and the programs' links in the same order, as the chosen
/// set of `pins`. It is an error if a program has no link: no later exporter would attach it
/// either.
Result<void> pin_set(const PinDirectory& pins, const SlotMapFds& maps,
                     std::span<const SelectedProgram> programs, std::span<const LinkPtr> links);

}  // namespace kvmx
