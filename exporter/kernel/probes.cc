// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/probes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/capability.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "exporter/base/file.h"
#include "exporter/base/log.h"
#include "exporter/kernel/host.h"
#include "exporter/kernel/programs.h"
#include "exporter/kernel/reason_ids.h"
#include "kvm_exit.skel.h"
#include "kvm_exit_svm_data.skel.h"

namespace kvmx {
namespace {

bool may_read_module_btf() {
  const std::unique_ptr<std::remove_pointer_t<cap_t>, decltype(&cap_free)> held(cap_get_proc(),
                                                                                &cap_free);
  cap_flag_value_t value = CAP_CLEAR;
  return held && cap_get_flag(held.get(), CAP_SYS_ADMIN, CAP_EFFECTIVE, &value) == 0 &&
         value == CAP_SET;
}

/// Why the kernel may refuse BPF, and the cure. Without CAP_SYS_ADMIN libbpf passes over the BTF of
/// modules in silence, and then fails in some other way for want of it.
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

/// The programs, not loaded; null if that cannot be. What is compiled with `svm_data` has the same
/// programs and maps, so one skeleton serves both.
kvm_exit_bpf* open_skeleton(bool svm_data) {
  auto* const skeleton = static_cast<kvm_exit_bpf*>(std::calloc(1, sizeof(kvm_exit_bpf)));
  if (!skeleton) return nullptr;
  if (kvm_exit_bpf__create_skeleton(skeleton) == 0) {
    bpf_object_skeleton& object = *skeleton->skeleton;
    if (svm_data) object.data = kvm_exit_svm_data_bpf__elf_bytes(&object.data_sz);
    if (bpf_object__open_skeleton(&object, nullptr) == 0) return skeleton;
  }
  kvm_exit_bpf__destroy(skeleton);
  return nullptr;
}

Result<void> size_maps(kvm_exit_bpf& skeleton, const EventSelection& wanted,
                       std::uint32_t max_vcpus) {
  const struct {
    bpf_map* map;
    std::uint32_t entries;
  } sizes[] = {{skeleton.maps.slots, max_vcpus},
               {skeleton.maps.free_slots, max_vcpus},
               {skeleton.maps.events, wanted.others.empty() ? 1 : max_vcpus},
               {skeleton.maps.exported, max_vcpus},
               {skeleton.maps.vm_processes, max_vcpus},
               {skeleton.maps.slot_of_vcpu, 2 * max_vcpus},
               {skeleton.maps.slot_of_thread, 2 * max_vcpus}};
  for (const auto& size : sizes)
    if (const int error = bpf_map__set_max_entries(size.map, size.entries); error != 0)
      return errno_error(std::string("size the map ") + bpf_map__name(size.map), -error);
  return {};
}

/// The program that counts the further event of this number.
bpf_program* other_program(kvm_exit_bpf& skeleton, std::size_t number) {
  const std::string name = "kvmx_event_" + std::to_string(number);
  return bpf_object__find_program_by_name(skeleton.obj, name.c_str());
}

/// Exits and entries carry the vCPU's pointer, if the host raises them and the kernel has BTF of
/// KVM.
bool do_events_identify_vm(const Features& features, const EventSelection& wanted) {
  const bool by_btf = features.source(Event::exit) == Source::tp_btf ||
                      features.source(Event::exit) == Source::tp_btf_by_reason;
  const bool counted =
      wanted.collectors[index_of(Event::exit)] || wanted.collectors[index_of(Event::entry)];
  return by_btf && counted && read_host().isa != Isa::other;
}

/// kvm_entry may have two programs; the first one speaks for both.
bool has_state(const std::vector<ProbeState>& states, const std::string& name) {
  return std::ranges::any_of(states, [&](const ProbeState& state) { return state.name == name; });
}

/// Runs of a program that the kernel skipped; nothing for no program, and before Linux 5.12.
std::optional<std::uint64_t> missed_runs(int program_fd) {
  if (program_fd < 0) return std::nullopt;
  bpf_prog_info info{};
  __u32 length = sizeof(info);
  const bool supported = bpf_obj_get_info_by_fd(program_fd, &info, &length) == 0 &&
                         length >= offsetof(bpf_prog_info, recursion_misses) + sizeof(__u64);
  return supported ? std::optional<std::uint64_t>(info.recursion_misses) : std::nullopt;
}

/// Whether an event's program is to run: its collector is selected; or the event is a userspace
/// exit and exits are counted, whose tp_btf programs learn from it when a thread may have changed
/// its VM.
bool is_needed(Event event, const EventSelection& wanted, const Features& features) {
  const auto collected = [&](Event which) { return wanted.collectors[index_of(which)]; };
  return collected(event) ||
         (event == Event::userspace_exit && features.source(Event::exit) != Source::tracepoint &&
          (collected(Event::exit) || collected(Event::entry)));
}

/// All that shapes the programs and maps, and with them what is in a slot.
void add_shape(SetHash& hash, const kvm_exit_bpf& skeleton, std::uint32_t max_vcpus) {
  hash.add(skeleton.skeleton->data, skeleton.skeleton->data_sz);
  hash.add(skeleton.rodata, sizeof(*skeleton.rodata));
  hash.add(&max_vcpus, sizeof(max_vcpus));
}

/// The maps that outlive an exporter, and where their descriptors are kept.
std::array<std::pair<const char*, int*>, 9> kept_maps(SlotMapFds& fds, int& ring) {
  return {{{"slots", &fds.slots},
           {"free_slots", &fds.free_slots},
           {"slot_of_vcpu", &fds.slot_of_vcpu},
           {"slot_of_thread", &fds.slot_of_thread},
           {"vm_processes", &fds.vm_processes},
           {"events", &fds.events},
           {"lost", &fds.lost},
           {"exported", &fds.exported},
           {"new_slots", &ring}}};
}

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

}  // namespace

std::vector<ProbeState> detached_probes(const EventSelection& wanted) {
  std::vector<ProbeState> states;
  for (std::size_t i = 0; i < kEvents.size(); ++i)
    if (wanted.collectors[i]) states.push_back({std::string(kEvents[i].name), false, std::nullopt});
  for (const std::string& name : wanted.others)
    if (!has_state(states, name)) states.push_back({name, false, std::nullopt});
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

Result<Probes> Probes::attach(const Features& features, const EventSelection& wanted,
                              std::uint32_t max_vcpus, PinDirectory* pins) {
  if (!std::filesystem::exists("/sys/kernel/btf/vmlinux"))
    return Error{
        "this kernel does not describe its types: there is no /sys/kernel/btf/vmlinux. Use one "
        "built with CONFIG_DEBUG_INFO_BTF=y, as distributions' kernels are since about 5.10"};
  Probes probes;
  probes.wanted_ = wanted;
  probes.events_identify_vm_ = do_events_identify_vm(features, wanted);
  probes.skeleton_.reset(open_skeleton(features.svm_data));
  if (!probes.skeleton_) return errno_error("open the BPF programs", errno);
  kvm_exit_bpf& skeleton = *probes.skeleton_;

  const Isa isa = read_host().isa;
  skeleton.rodata->kvmx_isa = static_cast<__u32>(isa);
  const bool msr_skipped = features.preemptible && wanted.collectors[index_of(Event::msr)] &&
                           wanted.collectors[index_of(Event::entry)];
  skeleton.rodata->kvmx_msr_skipped = msr_skipped;
  std::ranges::copy(dense_entries(isa, msr_skipped), skeleton.rodata->kvmx_dense);
  skeleton.rodata->kvmx_timed = wanted.collectors[index_of(Event::entry)];
  skeleton.rodata->kvmx_count_userspace_exits = wanted.collectors[index_of(Event::userspace_exit)];
  if (Result<void> sized = size_maps(skeleton, wanted, max_vcpus); !sized) return sized.error();
  std::array<bpf_program*, kEvents.size()> chosen{};
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const auto event = static_cast<Event>(i);
    if (is_needed(event, wanted, features))
      chosen[i] = choose_program(skeleton, features, wanted, isa, event);
  }
  std::vector<Wanted> programs = probes.wanted_programs(chosen);

  if (pins) {
    SetHash hash;
    add_shape(hash, skeleton, max_vcpus);
    for (const Wanted& program : programs) {
      hash.add(bpf_program__name(program.program));
      hash.add(program.event);
    }
    const Result<bool> there = pins->choose(hash);
    if (!there) return there.error();
    if (*there) {
      const Result<void> taken = probes.take_over(*pins, programs, max_vcpus);
      if (taken) {
        if (Result<void> removed = pins->remove_others(); !removed) return removed.error();
        return probes;
      }
      spdlog::warn("{}: what is pinned is removed, and counters start again",
                   taken.error().message);
      if (Result<void> removed = pins->remove_chosen(); !removed) return removed.error();
      for (const Wanted& program : programs) *program.fd = -1;
      probes.taken_over_.clear();
    }
  }
  if (Result<void> loaded = probes.load(programs, max_vcpus); !loaded) return loaded.error();
  if (pins) {
    // Not before: a start that fails shall not cost the counters there are.
    if (Result<void> removed = pins->remove_others(); !removed) return removed.error();
    if (const Result<void> pinned = probes.pin(*pins, programs); !pinned) {
      spdlog::warn("nothing is pinned, so counters start again with the exporter: {}",
                   pinned.error().message);
      if (Result<void> removed = pins->remove_chosen(); !removed) return removed.error();
    }
  }
  return probes;
}

std::vector<Probes::Wanted> Probes::wanted_programs(
    const std::array<bpf_program*, kEvents.size()>& chosen) {
  std::vector<Wanted> programs;
  // Exits come last: what they lean on is there then.
  for (std::size_t i = chosen.size(); i-- > 0;) {
    const std::string name(kEvents[i].name);
    if (chosen[i]) programs.push_back({chosen[i], name, name, &program_fds_[i]});
  }
  other_fds_.assign(wanted_.others.size(), -1);
  for (std::size_t i = 0; i < wanted_.others.size(); ++i) {
    bpf_program* const program = other_program(*skeleton_, i);
    programs.push_back({program, wanted_.others[i], bpf_program__name(program), &other_fds_[i]});
  }
  return programs;
}

Result<void> Probes::open_table(std::uint32_t max_vcpus, bool fill) {
  SlotMapFds fds = maps_;
  if (wanted_.others.empty()) fds.events = -1;
  Result<SlotTable> table = SlotTable::map(fds, max_vcpus, fill);
  if (!table) return table.error();
  table_ = std::move(*table);
  // What is in the ring does not matter, only that there is something: the table has it all.
  const auto pass_over = [](void*, void*, std::size_t) { return 0; };
  new_slots_.reset(ring_buffer__new(ring_fd_, pass_over, nullptr, nullptr));
  if (!new_slots_) return errno_error("map the ring of new slots", errno);
  return {};
}

Result<void> Probes::load(std::vector<Wanted>& programs, std::uint32_t max_vcpus) {
  kvm_exit_bpf& skeleton = *skeleton_;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton.obj) bpf_program__set_autoload(program, false);
  for (const Wanted& wanted : programs) bpf_program__set_autoload(wanted.program, true);
  if (const int error = kvm_exit_bpf__load(&skeleton); error != 0) return load_error(-error);
  for (const auto& [name, fd] : kept_maps(maps_, ring_fd_))
    *fd = bpf_object__find_map_fd_by_name(skeleton.obj, name);
  if (Result<void> opened = open_table(max_vcpus, true); !opened) return opened;
  for (const Wanted& wanted : programs) attach(wanted);
  if (links_.empty())
    return Error{"no KVM event can be attached to. Run with --log.level=debug to see why"};
  return {};
}

Result<void> Probes::take_over(const PinDirectory& pins, std::vector<Wanted>& programs,
                               std::uint32_t max_vcpus) {
  for (const auto& [name, fd] : kept_maps(maps_, ring_fd_)) {
    UniqueFd map = pins.get(map_pin(name));
    if (!map) return errno_error("take over the pinned map " + std::string(name), errno);
    if (!has_form_of(bpf_object__find_map_by_name(skeleton_->obj, name), map.get()))
      return Error{"the pinned map " + std::string(name) + " has another form"};
    *fd = map.get();
    taken_over_.push_back(std::move(map));
  }
  for (const Wanted& wanted : programs) {
    const UniqueFd link = pins.get(link_pin(wanted.pin));  // it need not be held
    if (!link) return errno_error("take over the pinned link of " + wanted.event, errno);
    UniqueFd program = pins.get(program_pin(wanted.pin));
    if (!program) return errno_error("take over the pinned program of " + wanted.event, errno);
    if (!runs(link.get(), program.get()))
      return Error{"the pinned link of " + wanted.event + " runs another program"};
    *wanted.fd = program.get();
    taken_over_.push_back(std::move(program));
  }
  if (Result<void> opened = open_table(max_vcpus, false); !opened) return opened;
  skeleton_.reset();
  spdlog::info("counters continue: what was pinned has gone on counting");
  return {};
}

Result<void> Probes::pin(const PinDirectory& pins, const std::vector<Wanted>& programs) const {
  // The maps of `this` are looked at through a copy: kept_maps() gives what can be set.
  SlotMapFds maps = maps_;
  int ring_fd = ring_fd_;
  for (const auto& [name, fd] : kept_maps(maps, ring_fd))
    if (Result<void> pinned = pins.pin(*fd, map_pin(name)); !pinned) return pinned;
  if (links_.size() != programs.size())
    return Error{"not every event could be attached to"};  // nor would a later exporter try again
  for (std::size_t i = 0; i < programs.size(); ++i) {
    if (Result<void> pinned = pins.pin(*programs[i].fd, program_pin(programs[i].pin)); !pinned)
      return pinned;
    if (Result<void> pinned = pins.pin(bpf_link__fd(links_[i].get()), link_pin(programs[i].pin));
        !pinned)
      return Error{pinned.error().message + " (links of tracepoint programs need Linux 5.15)"};
  }
  return pins.pin(maps_.lost, "complete");
}

/// Attaches a loaded program, and sets its descriptor where it is wanted; if that cannot be, says
/// so in the log and leaves it.
void Probes::attach(const Wanted& wanted) {
  // The skeleton's own links are not used: it attaches all or nothing.
  const bool raw = bpf_program__type(wanted.program) == BPF_PROG_TYPE_RAW_TRACEPOINT;
  bpf_link* link = raw ? bpf_program__attach_raw_tracepoint(wanted.program, wanted.event.c_str())
                       : bpf_program__attach(wanted.program);
  if (!link) {
    spdlog::warn("{} is not counted: cannot attach: {}", wanted.event, std::strerror(errno));
    return;
  }
  links_.emplace_back(link);
  *wanted.fd = bpf_program__fd(wanted.program);
}

int Probes::new_slots_fd() const { return ring_buffer__epoll_fd(new_slots_.get()); }

bool Probes::drain_new() { return ring_buffer__consume(new_slots_.get()) > 0; }

std::vector<ProbeState> Probes::states() const {
  std::vector<ProbeState> states;
  for (std::size_t i = 0; i < kEvents.size(); ++i) {
    if (!wanted_.collectors[i]) continue;
    states.push_back(
        {std::string(kEvents[i].name), program_fds_[i] >= 0, missed_runs(program_fds_[i])});
  }
  for (std::size_t i = 0; i < other_fds_.size(); ++i)
    if (!has_state(states, wanted_.others[i]))
      states.push_back({wanted_.others[i], other_fds_[i] >= 0, missed_runs(other_fds_[i])});
  return states;
}

}  // namespace kvmx
