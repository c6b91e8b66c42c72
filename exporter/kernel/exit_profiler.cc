// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/exit_profiler.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <string>
#include <string_view>

#include "exporter/base/file.h"
#include "exporter/kernel/missed_runs.h"
#include "exporter/kernel/skeleton.h"
#include "exporter/kernel/tracefs.h"
#include "exporter/kernel/tracepoint_format.h"
#include "profile.skel.h"

namespace kvmx {
namespace {

struct ProfiledField {
  const char* event;
  const char* name;
  std::uint32_t size;
  __u32 profile_record_offsets::*offset;
};

constexpr ProfiledField kFields[] = {
    {"kvm_exit", "exit_reason", 4, &profile_record_offsets::exit_reason},
    {"kvm_exit", "guest_rip", 8, &profile_record_offsets::exit_rip},
    {"kvm_exit", "info1", 8, &profile_record_offsets::exit_info1},
    {"kvm_exit", "vcpu_id", 4, &profile_record_offsets::exit_vcpu_id},
    {"kvm_msr", "write", 4, &profile_record_offsets::msr_write},
    {"kvm_msr", "ecx", 4, &profile_record_offsets::msr_ecx},
};

Result<profile_record_offsets> find_offsets() {
  const auto events = kvm_events_directory();
  if (!events)
    return Error{
        "tracefs is not mounted: run \"mount -t tracefs tracefs /sys/kernel/tracing\" first"};
  profile_record_offsets offsets{};
  std::map<std::string_view, TracepointFields> records;
  for (const ProfiledField& field : kFields) {
    const auto [record, unread] = records.try_emplace(field.event);
    if (unread) {
      const Result<std::string> text = read_file(*events / field.event / "format");
      if (!text) return Error{text.error().message + ". This needs root, or CAP_SYS_ADMIN"};
      record->second = parse_tracepoint_format(*text);
    }
    const auto found = find_offset(record->second, field.name, field.size);
    if (!found || *found + field.size > KVMX_PROFILE_RECORD)
      return Error{"this kernel's record of " + std::string(field.event) + " has no field " +
                   field.name + " of the known size"};
    offsets.*field.offset = *found;
  }
  return offsets;
}

/// All entries of a hash map that nobody changes.
template <typename Key, typename Value, typename Take>
Result<void> read_map(const bpf_map* map, Take take) {
  const int fd = bpf_map__fd(map);
  Key key{};
  const Key* last = nullptr;
  while (bpf_map_get_next_key(fd, last, &key) == 0) {
    Value value{};
    if (bpf_map_lookup_elem(fd, &key, &value) != 0)
      return errno_error("read what was counted", errno);
    take(key, value);
    last = &key;
  }
  if (errno != ENOENT) return errno_error("read what was counted", errno);
  return {};
}

LinkPtr attach(bpf_program* program) { return LinkPtr(bpf_program__attach(program)); }

}  // namespace

Result<ExitProfiler> ExitProfiler::load(std::uint32_t process, Isa isa,
                                        std::span<const std::uint32_t> reasons) {
  const Result<profile_record_offsets> offsets = find_offsets();
  if (!offsets) return offsets.error();
  ExitProfiler profiler;
  profiler.skeleton_.reset(profile_bpf__open());
  if (!profiler.skeleton_) return errno_error("open the BPF programs", errno);
  auto& constants = *profiler.skeleton_->rodata;
  constants.kvmx_record = *offsets;
  constants.kvmx_process = process;
  constants.kvmx_host_isa = static_cast<__u32>(isa);
  constants.kvmx_chosen =
      static_cast<__u32>(std::min<std::size_t>(reasons.size(), KVMX_PROFILE_CHOSEN));
  std::copy_n(reasons.begin(), constants.kvmx_chosen, constants.kvmx_chosen_reasons);
  if (const int error = profile_bpf__load(profiler.skeleton_.get()); error != 0)
    return load_error(-error);
  return profiler;
}

/// The exit comes before its MSR. So that none waits in vain, the program of MSRs is there first
/// and longest.
Result<void> ExitProfiler::start() {
  msr_link_ = attach(skeleton_->progs.profile_msr);
  if (!msr_link_) return errno_error("attach to kvm_msr", errno);
  exit_link_ = attach(skeleton_->progs.profile_exit);
  if (!exit_link_) return errno_error("attach to kvm_exit", errno);
  return {};
}

void ExitProfiler::stop() {
  exit_link_.reset();
  msr_link_.reset();
  settle_waiting();
}

void ExitProfiler::settle_waiting() {
  std::vector<std::uint32_t> tids;
  const auto settle = [&](std::uint32_t tid, const profile_thread& thread) {
    tids.push_back(tid);
    if (thread.waiting != 0) settled_.push_back({thread.exit, 1});
  };
  // Should this fail, so will counts(), which says so.
  (void)read_map<std::uint32_t, profile_thread>(skeleton_->maps.threads, settle);
  for (const std::uint32_t tid : tids)
    bpf_map_delete_elem(bpf_map__fd(skeleton_->maps.threads), &tid);
}

Result<ProfileCounts> ExitProfiler::counts() const {
  ProfileCounts counts;
  counts.places = settled_;
  const auto place = [&](const profile_key& key, std::uint64_t exits) {
    counts.places.push_back({key, exits});
  };
  if (Result<void> read = read_map<profile_key, std::uint64_t>(skeleton_->maps.places, place);
      !read)
    return read.error();
  const auto other = [&](std::uint32_t reason, std::uint64_t exits) {
    counts.others[reason] += exits;
  };
  if (Result<void> read = read_map<std::uint32_t, std::uint64_t>(skeleton_->maps.others, other);
      !read)
    return read.error();
  counts.unplaced = skeleton_->bss->kvmx_unplaced;
  counts.not_chosen = skeleton_->bss->kvmx_not_chosen;
  counts.missed = missed_runs(bpf_program__fd(skeleton_->progs.profile_exit)).value_or(0);
  return counts;
}

}  // namespace kvmx
