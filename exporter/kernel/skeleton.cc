// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/skeleton.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <type_traits>

#include "exporter/base/file.h"
#include "exporter/base/unique_fd.h"
#include "exporter/kernel/msr_counting.h"
#include "exporter/kernel/reason_ids.h"
#include "kvm_exit.skel.h"
#include "kvm_exit_no_btf.skel.h"
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

/// A file of BTF that has no types: what libbpf takes for the kernel's where that has none. It
/// lasts as long as this process. Null, and errno, if it cannot be made.
const char* path_of_no_types() {
  static const UniqueFd file = [] {
    const BtfPtr types(btf__new_empty());
    __u32 size = 0;
    const void* const bytes = types ? btf__raw_data(types.get(), &size) : nullptr;
    UniqueFd fd(bytes ? ::memfd_create("no-types", MFD_CLOEXEC) : -1);
    return fd && ::write(fd.get(), bytes, size) == size ? std::move(fd) : UniqueFd();
  }();
  static const std::string path = "/proc/self/fd/" + std::to_string(file.get());
  return file ? path.c_str() : nullptr;
}

/// The programs as they are compiled for this kernel. All compilations have the same programs and
/// maps, so one skeleton serves them. Null if they cannot be opened; errno says why.
ExitSkeletonPtr open_object(const Features& features) {
  ExitSkeletonPtr skeleton(static_cast<kvm_exit_bpf*>(std::calloc(1, sizeof(kvm_exit_bpf))));
  if (!skeleton || kvm_exit_bpf__create_skeleton(skeleton.get()) != 0) return nullptr;
  bpf_object_skeleton& object = *skeleton->skeleton;
  if (features.svm_data) object.data = kvm_exit_svm_data_bpf__elf_bytes(&object.data_sz);
  bpf_object_open_opts options{};
  options.sz = sizeof(options);
  if (!features.btf) {
    object.data = kvm_exit_no_btf_bpf__elf_bytes(&object.data_sz);
    options.btf_custom_path = path_of_no_types();
    if (!options.btf_custom_path) return nullptr;
  }
  return bpf_object__open_skeleton(&object, &options) == 0 ? std::move(skeleton) : nullptr;
}

void set_constants(kvm_exit_bpf& skeleton, const Features& features,
                   const EventSelection& selection, Isa isa) {
  const bool timed = selection.has(Event::entry);
  const MsrCounting msrs = msr_counting(features, selection, isa);
  skeleton.rodata->kvmx_isa = static_cast<__u32>(isa);
  skeleton.rodata->kvmx_msr_at_entry = msrs != MsrCounting::event;
  std::ranges::copy(dense_entries(isa, msrs), skeleton.rodata->kvmx_dense);
  skeleton.rodata->kvmx_timed = timed;
  skeleton.rodata->kvmx_vcpu_hooks = features.vcpu_hooks;
  skeleton.rodata->kvmx_one_vm = features.vcpu_hooks_by_kprobe();
  skeleton.rodata->kvmx_returns_may_be_missed = features.preemptible;
  skeleton.rodata->kvmx_count_userspace_exits = selection.has(Event::userspace_exit);
}

/// Room for what gives way when there is no more, of a map with so many entries. Each CPU takes
/// some 128 free entries at once, and others give way once none is left for the next CPU.
std::uint32_t with_room_for_cpus(std::uint32_t entries) {
  constexpr std::uint32_t kTakenByCpu = 256;
  return std::max(entries, kTakenByCpu * static_cast<std::uint32_t>(libbpf_num_possible_cpus()));
}

Result<void> size_maps(kvm_exit_bpf& skeleton, const EventSelection& selection,
                       std::uint32_t max_vcpus) {
  const struct {
    bpf_map* map;
    std::uint32_t entries;
  } sizes[] = {{skeleton.maps.slots, max_vcpus},
               {skeleton.maps.free_slots, max_vcpus},
               {skeleton.maps.events, selection.others.empty() ? 1 : max_vcpus},
               {skeleton.maps.io, selection.has_io() ? max_vcpus : 1},
               {skeleton.maps.exported, max_vcpus},
               {skeleton.maps.vm_processes, 2 * max_vcpus},
               {skeleton.maps.slot_of_vcpu, 2 * max_vcpus},
               {skeleton.maps.slot_of_thread, 2 * max_vcpus},
               {skeleton.maps.vcpu_makers, with_room_for_cpus(4 * max_vcpus)},
               {skeleton.maps.vcpus_by_id, with_room_for_cpus(4 * max_vcpus)}};
  for (const auto& size : sizes)
    if (const int error = bpf_map__set_max_entries(size.map, size.entries); error != 0)
      return errno_error(std::string("size the map ") + bpf_map__name(size.map), -error);
  return {};
}

}  // namespace

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

Result<ExitSkeletonPtr> open_skeleton(const Features& features, const EventSelection& selection,
                                      Isa isa, std::uint32_t max_vcpus) {
  ExitSkeletonPtr skeleton = open_object(features);
  if (!skeleton) return errno_error("open the BPF programs", errno);
  set_constants(*skeleton, features, selection, isa);
  if (Result<void> sized = size_maps(*skeleton, selection, max_vcpus); !sized) return sized.error();
  bpf_map__set_autocreate(skeleton->maps.vcpu_ids, features.vcpu_hooks_by_kprobe());
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
