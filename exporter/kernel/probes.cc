// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/probes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>

#include "exporter/base/file.h"
#include "exporter/base/log.h"
#include "exporter/kernel/host.h"
#include "exporter/kernel/programs.h"
#include "exporter/kernel/reason_ids.h"
#include "kvm_exit.skel.h"

namespace kvmx {
namespace {

/// libbpf's own words: of use when loading fails, too much otherwise.
int log_libbpf(libbpf_print_level, const char* format, va_list arguments) {
  if (!spdlog::should_log(spdlog::level::debug)) return 0;
  va_list again;
  va_copy(again, arguments);
  const int length = std::vsnprintf(nullptr, 0, format, arguments);
  std::string text(static_cast<std::size_t>(std::max(length, 0)) + 1, '\0');
  std::vsnprintf(text.data(), text.size(), format, again);
  va_end(again);
  while (text.ends_with('\n') || text.ends_with('\0')) text.pop_back();
  spdlog::debug("{}", text);
  return 0;
}

/// Why the kernel may refuse BPF, and the cure.
Error load_error(int error_number) {
  std::string text = "cannot load the BPF programs: ";
  text += std::strerror(error_number);
  if (error_number != EPERM)
    return Error{text + ". Run with --log.level=debug to see the kernel's own words"};
  const std::string lockdown = read_line("/sys/kernel/security/lockdown").value_or("");
  if (lockdown.find("[confidentiality]") != std::string::npos)
    return Error{text + ". The kernel is locked down: boot with lockdown=integrity, or none"};
  return Error{text +
               ". Run as root, or with the capabilities CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN "
               "(before Linux 5.11 also CAP_SYS_RESOURCE)"};
}

Result<void> size_maps(kvm_exit_bpf& skeleton, std::uint32_t max_vcpus) {
  const struct {
    bpf_map* map;
    std::uint32_t entries;
  } sizes[] = {{skeleton.maps.slots, max_vcpus},
               {skeleton.maps.free_slots, max_vcpus},
               {skeleton.maps.slot_of_vcpu, 2 * max_vcpus},
               {skeleton.maps.slot_of_thread, 2 * max_vcpus}};
  for (const auto& size : sizes)
    if (const int error = bpf_map__set_max_entries(size.map, size.entries); error != 0)
      return errno_error(std::string("size the map ") + bpf_map__name(size.map), -error);
  return {};
}

/// Runs of a program that the kernel skipped; nothing for no program, and before Linux 5.12.
std::optional<std::uint64_t> missed_runs(int program_fd) {
  if (program_fd < 0) return std::nullopt;
  bpf_prog_info info{};
  __u32 length = sizeof(info);
  const bool told = bpf_obj_get_info_by_fd(program_fd, &info, &length) == 0 &&
                    length >= offsetof(bpf_prog_info, recursion_misses) + sizeof(__u64);
  return told ? std::optional<std::uint64_t>(info.recursion_misses) : std::nullopt;
}

}  // namespace

std::vector<ProbeState> detached_probes(const EventSet& wanted) {
  std::vector<ProbeState> states;
  for (std::size_t i = 0; i < kEvents.size(); ++i)
    if (wanted[i]) states.push_back({kEvents[i].name, false, std::nullopt});
  return states;
}

Probes::Probes() { program_fds_.fill(-1); }
Probes::Probes(Probes&&) noexcept = default;
Probes& Probes::operator=(Probes&&) noexcept = default;
Probes::~Probes() = default;

void Probes::SkeletonDeleter::operator()(kvm_exit_bpf* skeleton) const {
  kvm_exit_bpf__destroy(skeleton);
}

void Probes::RingDeleter::operator()(ring_buffer* ring) const { ring_buffer__free(ring); }

void Probes::LinkDeleter::operator()(bpf_link* link) const { bpf_link__destroy(link); }

Result<Probes> Probes::attach(const Features& features, const EventSet& wanted,
                              std::uint32_t max_vcpus) {
  libbpf_set_print(log_libbpf);
  if (!std::filesystem::exists("/sys/kernel/btf/vmlinux"))
    return Error{
        "this kernel does not describe its types: there is no /sys/kernel/btf/vmlinux. Use one "
        "built with CONFIG_DEBUG_INFO_BTF=y, as distributions' kernels are since about 5.10"};
  Probes probes;
  probes.wanted_ = wanted;
  probes.skeleton_.reset(kvm_exit_bpf__open());
  if (!probes.skeleton_) return errno_error("open the BPF programs", errno);
  kvm_exit_bpf& skeleton = *probes.skeleton_;

  std::ranges::copy(svm_dense_ids(), skeleton.rodata->kvmx_svm_dense);
  std::ranges::copy(wait_exits(read_host().isa), skeleton.rodata->kvmx_wait_exits);
  if (Result<void> sized = size_maps(skeleton, max_vcpus); !sized) return sized.error();
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton.obj) bpf_program__set_autoload(program, false);
  std::array<bpf_program*, kEvents.size()> chosen{};
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if (wanted[i]) chosen[i] = choose_program(skeleton, features, static_cast<Event>(i));
    if (chosen[i]) bpf_program__set_autoload(chosen[i], true);
  }
  if (const int error = kvm_exit_bpf__load(&skeleton); error != 0) return load_error(-error);

  const SlotMapFds fds = {.slots = bpf_map__fd(skeleton.maps.slots),
                          .free_slots = bpf_map__fd(skeleton.maps.free_slots),
                          .slot_of_vcpu = bpf_map__fd(skeleton.maps.slot_of_vcpu),
                          .slot_of_thread = bpf_map__fd(skeleton.maps.slot_of_thread),
                          .lost = bpf_map__fd(skeleton.maps.lost)};
  Result<SlotTable> table = SlotTable::map(fds, max_vcpus, true);
  if (!table) return table.error();
  probes.table_ = std::move(*table);

  // What is in the ring does not matter, only that there is something: the table has it all.
  const auto pass_over = [](void*, void*, std::size_t) { return 0; };
  probes.new_slots_.reset(
      ring_buffer__new(bpf_map__fd(skeleton.maps.new_slots), pass_over, nullptr, nullptr));
  if (!probes.new_slots_) return errno_error("map the ring of new slots", errno);

  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if (!chosen[i]) continue;
    // The skeleton's own link is not used: it attaches all or nothing.
    bpf_link* link = bpf_program__attach(chosen[i]);
    if (!link) {
      spdlog::warn("{} is not counted: cannot attach: {}", kEvents[i].name, std::strerror(errno));
      continue;
    }
    probes.links_.emplace_back(link);
    probes.program_fds_[i] = bpf_program__fd(chosen[i]);
  }
  if (probes.links_.empty())
    return Error{"no KVM event can be attached to. Run with --log.level=debug to see why"};
  return probes;
}

int Probes::new_slots_fd() const { return ring_buffer__epoll_fd(new_slots_.get()); }

void Probes::drain_new() { ring_buffer__consume(new_slots_.get()); }

std::vector<ProbeState> Probes::states() const {
  std::vector<ProbeState> states;
  for (std::size_t i = 0; i < kEvents.size(); ++i) {
    if (!wanted_[i]) continue;
    states.push_back({kEvents[i].name, program_fds_[i] >= 0, missed_runs(program_fds_[i])});
  }
  return states;
}

}  // namespace kvmx
