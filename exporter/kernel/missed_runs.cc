// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/missed_runs.h"

#include <bpf/bpf.h>

#include <cstddef>

namespace kvmx {

std::optional<std::uint64_t> missed_runs(int program_fd) {
  bpf_prog_info info{};
  __u32 length = sizeof(info);
  const bool known = bpf_obj_get_info_by_fd(program_fd, &info, &length) == 0 &&
                     length >= offsetof(bpf_prog_info, recursion_misses) + sizeof(__u64);
  return known ? std::optional<std::uint64_t>(info.recursion_misses) : std::nullopt;
}

}  // namespace kvmx
