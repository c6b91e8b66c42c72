// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/skeleton.h"

#include <bpf/libbpf.h>
#include <sys/capability.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <type_traits>

#include "exporter/base/file.h"
#include "exporter/kernel/reason_ids.h"
#include "kvm_exit.skel.h"
#include "kvm_exit_svm_data.skel.h"

namespace kvmx {
namespace {

bool may_read_module_btf() {
  const std::unique_ptr<std::remove_pointer_t<cap_t>, decltype(&cap_free)> own(cap_get_proc(),
                                                                               &cap_free);
  cap_flag_value_t value = CAP_CLEAR;
  return own && cap_get_flag(own.get(), CAP_SYS_ADMIN, CAP_EFFECTIVE, &value) == 0 &&
         value == CAP_SET;
}

/// Why the kernel may refuse BPF, and the cure. Without CAP_SYS_ADMIN libbpf silently ignores the
/// BTF of modules, and then fails for want of it with some other error.
Error load_error(int error_number) {
  std::string text = "cannot load the BPF programs: ";
  text += std::strerror(error_number);
  if (error_number != EPERM && may_read_module_btf())
    return Error{text + ". Run with --log.level=debug to see the kernel's own words"};
  const std::string lockdown = read_line("/sys/kernel/security/lockdown").value_or("");
  if (lockdown.find("[confidentiality]") != std::string::npos)
    return Error{text + ". The kernel is locked down: boot with lockdown=integrity, or none"};
  return Error{text +
               ". Run as root, or with the capability CAP_SYS_ADMIN "
               "(before Linux 5.11 also CAP_SYS_RESOURCE)"};
}

/// The programs compiled with or without `svm_data`. Both have the same programs and maps, so one
/// skeleton serves both. Null if it cannot be opened; errno says why.
ExitSkeletonPtr open_object(bool svm_data) {
  ExitSkeletonPtr skeleton(static_cast<kvm_exit_bpf*>(std::calloc(1, sizeof(kvm_exit_bpf))));
  if (!skeleton || kvm_exit_bpf__create_skeleton(skeleton.get()) != 0) return nullptr;
  bpf_object_skeleton& object = *skeleton->skeleton;
  if (svm_data) object.data = kvm_exit_svm_data_bpf__elf_bytes(&object.data_sz);
  return bpf_object__open_skeleton(&object, nullptr) == 0 ? std::move(skeleton) : nullptr;
}

void set_constants(kvm_exit_bpf& skeleton, const Features& features,
                   const EventSelection& selection, Isa isa) {
  const bool timed = selection.has(Event::entry);
  const bool msr_skipped = features.preemptible && timed && selection.has(Event::msr);
  skeleton.rodata->kvmx_isa = static_cast<__u32>(isa);
  skeleton.rodata->kvmx_msr_skipped = msr_skipped;
  std::ranges::copy(dense_entries(isa, msr_skipped), skeleton.rodata->kvmx_dense);
  skeleton.rodata->kvmx_timed = timed;
  skeleton.rodata->kvmx_told = features.vcpus_told;
  skeleton.rodata->kvmx_count_userspace_exits = selection.has(Event::userspace_exit);
}

Result<void> size_maps(kvm_exit_bpf& skeleton, const EventSelection& selection,
                       std::uint32_t max_vcpus) {
  const struct {
    bpf_map* map;
    std::uint32_t entries;
  } sizes[] = {{skeleton.maps.slots, max_vcpus},
               {skeleton.maps.free_slots, max_vcpus},
               {skeleton.maps.events, selection.others.empty() ? 1 : max_vcpus},
               {skeleton.maps.exported, max_vcpus},
               {skeleton.maps.vm_processes, max_vcpus},
               {skeleton.maps.slot_of_vcpu, 2 * max_vcpus},
               {skeleton.maps.slot_of_thread, 2 * max_vcpus},
               {skeleton.maps.vcpu_makers, 2 * max_vcpus},
               {skeleton.maps.vcpus_by_id, 2 * max_vcpus}};
  for (const auto& size : sizes)
    if (const int error = bpf_map__set_max_entries(size.map, size.entries); error != 0)
      return errno_error(std::string("size the map ") + bpf_map__name(size.map), -error);
  return {};
}

}  // namespace

Result<ExitSkeletonPtr> open_skeleton(const Features& features, const EventSelection& selection,
                                      Isa isa, std::uint32_t max_vcpus) {
  ExitSkeletonPtr skeleton = open_object(features.svm_data);
  if (!skeleton) return errno_error("open the BPF programs", errno);
  set_constants(*skeleton, features, selection, isa);
  if (Result<void> sized = size_maps(*skeleton, selection, max_vcpus); !sized) return sized.error();
  return skeleton;
}

Result<void> load_skeleton(kvm_exit_bpf& skeleton, std::span<const SelectedProgram> programs) {
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton.obj) bpf_program__set_autoload(program, false);
  for (const SelectedProgram& selected : programs)
    bpf_program__set_autoload(selected.program, true);
  if (const int error = kvm_exit_bpf__load(&skeleton); error != 0) return load_error(-error);
  return {};
}

}  // namespace kvmx
