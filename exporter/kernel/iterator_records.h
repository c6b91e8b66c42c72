// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <vector>

#include "exporter/base/result.h"
#include "exporter/base/unique_fd.h"

namespace kvmx {

/// All records that one run of an iterator program writes. `what`: what it does, for the error.
template <typename Record>
Result<std::vector<Record>> read_iterator(const bpf_link* link, const char* what) {
  const UniqueFd iterator(bpf_iter_create(bpf_link__fd(link)));
  if (!iterator) return errno_error(what, errno);
  std::vector<Record> records;
  std::size_t bytes = 0;
  for (;;) {
    records.resize(bytes / sizeof(Record) + 128);
    char* const end = reinterpret_cast<char*>(records.data()) + bytes;
    const ssize_t got = ::read(iterator.get(), end, records.size() * sizeof(Record) - bytes);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return errno_error(what, errno);
    if (got == 0) break;
    bytes += static_cast<std::size_t>(got);
  }
  records.resize(bytes / sizeof(Record));
  return records;
}

}  // namespace kvmx
