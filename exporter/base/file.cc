// SPDX-License-Identifier: Apache-2.0
#include "exporter/base/file.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "exporter/base/unique_fd.h"

namespace kvmx {

Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return errno_error("open " + path.string(), errno);
  std::string content;
  std::array<char, 16384> chunk;
  while (content.size() < limit) {
    const std::size_t want = std::min(chunk.size(), limit - content.size());
    const ssize_t got = ::read(fd.get(), chunk.data(), want);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("read " + path.string(), errno);
    if (got == 0) break;
    content.append(chunk.data(), static_cast<std::size_t>(got));
  }
  return content;
}

std::optional<std::string> read_line(const std::filesystem::path& path) {
  Result<std::string> content = read_file(path, 4096);
  if (!content) return std::nullopt;
  return content->substr(0, content->find('\n'));
}

}  // namespace kvmx
