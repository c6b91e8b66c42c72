// SPDX-License-Identifier: Apache-2.0
#include "exporter/base/descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <cerrno>
#include <string>

namespace kvmx {

void open_standard_descriptors() {
  // open() gives the lowest number that is free.
  for (int fd = 0; fd <= 2; ++fd)
    if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF) static_cast<void>(::open("/dev/null", O_RDWR));
}

Result<void> raise_descriptor_limit(std::size_t needed) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return errno_error("look at the limit of open files", errno);
  limit.rlim_cur = limit.rlim_max;
  if (limit.rlim_max < needed)
    return Error{"this process may have " + std::to_string(limit.rlim_max) +
                 " open files, and needs " + std::to_string(needed) +
                 ": raise the limit (ulimit -Hn, LimitNOFILE= of a unit) or lower "
                 "--web.max-requests"};
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0)
    return errno_error("raise the limit of open files", errno);
  return {};
}

}  // namespace kvmx
