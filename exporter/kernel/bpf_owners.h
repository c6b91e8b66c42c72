// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>

#include "exporter/base/result.h"

struct bpf_link;
struct btf;
struct kvm_exit_bpf;
struct list_threads_bpf;
struct list_vcpus_bpf;
struct profile_bpf;
struct ring_buffer;

namespace kvmx {

// Owners of what libbpf and its skeletons make. None can be copied; a moved-from one owns nothing.

struct BpfDeleter {
  void operator()(bpf_link* link) const;
  void operator()(btf* types) const;
  void operator()(kvm_exit_bpf* skeleton) const;
  void operator()(list_threads_bpf* skeleton) const;
  void operator()(list_vcpus_bpf* skeleton) const;
  void operator()(profile_bpf* skeleton) const;
  void operator()(ring_buffer* ring) const;
};

using LinkPtr = std::unique_ptr<bpf_link, BpfDeleter>;  ///< destroying it detaches the program
using BtfPtr = std::unique_ptr<btf, BpfDeleter>;
using ExitSkeletonPtr = std::unique_ptr<kvm_exit_bpf, BpfDeleter>;
using ListVcpusSkeletonPtr = std::unique_ptr<list_vcpus_bpf, BpfDeleter>;
using ListThreadsSkeletonPtr = std::unique_ptr<list_threads_bpf, BpfDeleter>;
using ProfileSkeletonPtr = std::unique_ptr<profile_bpf, BpfDeleter>;
using RingPtr = std::unique_ptr<ring_buffer, BpfDeleter>;

/// The memory of a BPF map, shared with the kernel, which unmaps itself.
class Mapping {
 public:
  Mapping() = default;
  /// `size` bytes of the BPF map `fd`.
  static Result<Mapping> of_map(int fd, std::size_t size, bool writable);
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();

  [[nodiscard]] void* data() const { return data_; }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace kvmx
