// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/bpf_owners.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>

#include <cerrno>
#include <utility>

#include "bpf/exit_profile.h"    // of which a skeleton has a member
#include "bpf/record_offsets.h"  // and of this
#include "kvm_exit.skel.h"
#include "list_threads.skel.h"
#include "list_vcpus.skel.h"
#include "profile.skel.h"

namespace kvmx {

void BpfDeleter::operator()(bpf_link* link) const { bpf_link__destroy(link); }
void BpfDeleter::operator()(btf* types) const { btf__free(types); }
void BpfDeleter::operator()(kvm_exit_bpf* skeleton) const { kvm_exit_bpf__destroy(skeleton); }
void BpfDeleter::operator()(list_threads_bpf* skeleton) const {
  list_threads_bpf__destroy(skeleton);
}
void BpfDeleter::operator()(list_vcpus_bpf* skeleton) const { list_vcpus_bpf__destroy(skeleton); }
void BpfDeleter::operator()(profile_bpf* skeleton) const { profile_bpf__destroy(skeleton); }
void BpfDeleter::operator()(ring_buffer* ring) const { ring_buffer__free(ring); }

Result<Mapping> Mapping::of_map(int fd, std::size_t size, bool writable) {
  const int protection = PROT_READ | (writable ? PROT_WRITE : 0);
  void* data = ::mmap(nullptr, size, protection, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return errno_error("map the counters into memory", errno);
  Mapping mapping;
  mapping.data_ = data;
  mapping.size_ = size;
  return mapping;
}

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Mapping::~Mapping() {
  if (data_) ::munmap(data_, size_);
}

}  // namespace kvmx
