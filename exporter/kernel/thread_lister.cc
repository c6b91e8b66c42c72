// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/thread_lister.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>

#include "exporter/kernel/iterator_records.h"
#include "list_threads.skel.h"

namespace kvmx {

Result<ThreadLister> ThreadLister::load(std::uint32_t max_vms) {
  ThreadLister lister;
  lister.skeleton_.reset(list_threads_bpf__open());
  if (!lister.skeleton_) return errno_error("open the program that lists threads", errno);
  if (bpf_map__set_max_entries(lister.skeleton_->maps.processes, std::max(max_vms, 1U)) != 0 ||
      list_threads_bpf__load(lister.skeleton_.get()) != 0)
    return errno_error("load the program that lists threads", errno);
  lister.link_.reset(bpf_program__attach_iter(lister.skeleton_->progs.list_threads, nullptr));
  if (!lister.link_) return errno_error("attach the program that lists threads", errno);
  return lister;
}

Result<std::vector<listed_thread>> ThreadLister::list(const std::set<std::uint32_t>& processes) {
  const int map = bpf_map__fd(skeleton_->maps.processes);
  for (auto known = processes_.begin(); known != processes_.end();) {
    if (processes.contains(*known)) {
      ++known;
      continue;
    }
    bpf_map_delete_elem(map, &*known);
    known = processes_.erase(known);
  }
  for (const std::uint32_t process : processes) {
    constexpr std::uint32_t kListed = 1;
    if (processes_.contains(process)) continue;
    if (bpf_map_update_elem(map, &process, &kListed, BPF_ANY) != 0)
      return errno_error("choose whose threads to list", errno);
    processes_.insert(process);
  }
  auto records = read_iterator<listed_thread>(link_.get(), "list threads");
  if (records) std::ranges::sort(*records, {}, &listed_thread::tid);
  return records;
}

}  // namespace kvmx
