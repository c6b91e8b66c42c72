// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/vcpu_lister.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <cerrno>

#include "exporter/base/unique_fd.h"
#include "list_vcpus.skel.h"

namespace kvmx {
namespace {

/// All that an iterator writes.
Result<std::vector<listed_vcpu>> read_records(int iterator) {
  std::vector<listed_vcpu> records;
  std::size_t bytes = 0;
  for (;;) {
    records.resize(bytes / sizeof(listed_vcpu) + 128);
    char* const end = reinterpret_cast<char*>(records.data()) + bytes;
    const ssize_t got = ::read(iterator, end, records.size() * sizeof(listed_vcpu) - bytes);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return errno_error("list vCPUs", errno);
    if (got == 0) break;
    bytes += static_cast<std::size_t>(got);
  }
  records.resize(bytes / sizeof(listed_vcpu));
  return records;
}

}  // namespace

Result<VcpuLister> VcpuLister::load() {
  VcpuLister lister;
  lister.skeleton_.reset(list_vcpus_bpf__open_and_load());
  if (!lister.skeleton_) return errno_error("load the program that lists vCPUs", errno);
  lister.link_.reset(bpf_program__attach_iter(lister.skeleton_->progs.list_vcpus, nullptr));
  if (!lister.link_) return errno_error("attach the program that lists vCPUs", errno);
  return lister;
}

Result<std::vector<ListedVcpu>> VcpuLister::list() const {
  const UniqueFd iterator(bpf_iter_create(bpf_link__fd(link_.get())));
  if (!iterator) return errno_error("start listing vCPUs", errno);
  const Result<std::vector<listed_vcpu>> records = read_records(iterator.get());
  if (!records) return records.error();
  return listed_vcpus(*records);
}

}  // namespace kvmx
