// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/vcpu_lister.h"

#include <bpf/libbpf.h>

#include <cerrno>

#include "exporter/kernel/iterator_records.h"
#include "list_vcpus.skel.h"

namespace kvmx {
Result<VcpuLister> VcpuLister::load() {
  VcpuLister lister;
  lister.skeleton_.reset(list_vcpus_bpf__open_and_load());
  if (!lister.skeleton_) return errno_error("load the program that lists vCPUs", errno);
  lister.link_.reset(bpf_program__attach_iter(lister.skeleton_->progs.list_vcpus, nullptr));
  if (!lister.link_) return errno_error("attach the program that lists vCPUs", errno);
  return lister;
}

Result<std::vector<ListedVcpu>> VcpuLister::list() const {
  const auto records = read_iterator<listed_vcpu>(link_.get(), "list vCPUs");
  if (!records) return records.error();
  return listed_vcpus(*records);
}

}  // namespace kvmx
