// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/pinned_set.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <utility>

#include "kvm_exit.skel.h"

namespace kvmx {
namespace {

/// Whether a pinned map is what `map`, which is not loaded, would become.
bool has_form_of(const bpf_map* map, int fd) {
  bpf_map_info info{};
  __u32 length = sizeof(info);
  return bpf_obj_get_info_by_fd(fd, &info, &length) == 0 && info.type == bpf_map__type(map) &&
         info.key_size == bpf_map__key_size(map) && info.value_size == bpf_map__value_size(map) &&
         info.max_entries == bpf_map__max_entries(map) && info.map_flags == bpf_map__map_flags(map);
}

/// Whether a pinned link runs a pinned program.
bool runs(int link_fd, int program_fd) {
  bpf_link_info link{};
  __u32 link_length = sizeof(link);
  bpf_prog_info program{};
  __u32 program_length = sizeof(program);
  return bpf_obj_get_info_by_fd(link_fd, &link, &link_length) == 0 &&
         bpf_obj_get_info_by_fd(program_fd, &program, &program_length) == 0 &&
         link.prog_id == program.id;
}

std::string map_pin(const std::string& name) { return "map_" + name; }
std::string program_pin(const std::string& name) { return "program_" + name; }
std::string link_pin(const std::string& name) { return "link_" + name; }

Result<UniqueFd> open_map(const PinDirectory& pins, const kvm_exit_bpf& skeleton,
                          const std::string& name) {
  UniqueFd map = pins.get(map_pin(name));
  if (!map) return errno_error("take over the pinned map " + name, errno);
  if (!has_form_of(bpf_object__find_map_by_name(skeleton.obj, name.c_str()), map.get()))
    return Error{"the pinned map " + name + " has another form"};
  return map;
}

Result<UniqueFd> open_program(const PinDirectory& pins, const SelectedProgram& selected) {
  const UniqueFd link = pins.get(link_pin(selected.name));  // the pin alone keeps it attached
  if (!link) return errno_error("take over the pinned link of " + selected.event, errno);
  UniqueFd program = pins.get(program_pin(selected.name));
  if (!program) return errno_error("take over the pinned program of " + selected.event, errno);
  if (!runs(link.get(), program.get()))
    return Error{"the pinned link of " + selected.event + " runs another program"};
  return program;
}

}  // namespace

SetHash set_hash(const kvm_exit_bpf& skeleton, std::uint32_t max_vcpus,
                 std::span<const SelectedProgram> programs) {
  SetHash hash;
  hash.add(skeleton.skeleton->data, skeleton.skeleton->data_sz);
  hash.add(skeleton.rodata, sizeof(*skeleton.rodata));
  hash.add(&max_vcpus, sizeof(max_vcpus));
  for (const SelectedProgram& selected : programs) {
    hash.add(bpf_program__name(selected.program));
    hash.add(selected.event);
  }
  return hash;
}

Result<PinnedSet> open_pinned(const PinDirectory& pins, const kvm_exit_bpf& skeleton,
                              std::span<const SelectedProgram> programs) {
  PinnedSet set;
  for (const SlotMap& map : kSlotMaps) {
    Result<UniqueFd> fd = open_map(pins, skeleton, map.name);
    if (!fd) return fd.error();
    set.maps.*map.fd = fd->get();
    set.owners.push_back(std::move(*fd));
  }
  for (const SelectedProgram& selected : programs) {
    Result<UniqueFd> fd = open_program(pins, selected);
    if (!fd) return fd.error();
    set.programs[selected.name] = fd->get();
    set.owners.push_back(std::move(*fd));
  }
  return set;
}

Result<void> pin_set(const PinDirectory& pins, const SlotMapFds& maps,
                     std::span<const SelectedProgram> programs, std::span<const LinkPtr> links) {
  for (const SlotMap& map : kSlotMaps)
    if (Result<void> pinned = pins.pin(maps.*map.fd, map_pin(map.name)); !pinned) return pinned;
  if (links.size() != programs.size()) return Error{"not every event could be attached to"};
  for (std::size_t i = 0; i < programs.size(); ++i) {
    const std::string& name = programs[i].name;
    if (Result<void> pinned = pins.pin(bpf_program__fd(programs[i].program), program_pin(name));
        !pinned)
      return pinned;
    if (Result<void> pinned = pins.pin(bpf_link__fd(links[i].get()), link_pin(name)); !pinned)
      return Error{pinned.error().message + " (links of tracepoint programs need Linux 5.15)"};
  }
  return pins.pin(maps.lost, "complete");
}

}  // namespace kvmx
