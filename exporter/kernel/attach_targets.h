// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "exporter/base/unique_fd.h"

namespace kvmx {

/// What programs attach to in KVM: the ids of BTF types, by the section that a program is in
/// ("tp_btf/EVENT", "fentry/FUNCTION").
using AttachTargets = std::map<std::string, std::uint32_t, std::less<>>;

/// Tells libbpf what the programs attach to that it opens and loads while this lives. By itself it
/// goes through all 100,000 types of the kernel for each program, and again for each module that
/// was loaded before KVM. One at a time; `targets` must outlive it.
class KnownTargets {
 public:
  explicit KnownTargets(const AttachTargets& targets);
  ~KnownTargets();
  KnownTargets(const KnownTargets&) = delete;
  KnownTargets& operator=(const KnownTargets&) = delete;

 private:
  UniqueFd kvm_types_;
};

}  // namespace kvmx
