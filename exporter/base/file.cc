// SPDX-License-Identifier: Apache-2.0
#include "exporter/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "exporter/base/unique_fd.h"

namespace kvmx {

namespace {

Result<std::string> read_all(int fd, const std::filesystem::path& path, std::size_t limit) {
  std::string content;
  std::array<char, 16384> chunk;
  while (content.size() < limit) {
    const std::size_t want = std::min(chunk.size(), limit - content.size());
    const ssize_t got = ::read(fd, chunk.data(), want);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("read " + path.string(), errno);
    if (got == 0) break;
    content.append(chunk.data(), static_cast<std::size_t>(got));
  }
  return content;
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return errno_error("open " + path.string(), errno);
  return read_all(fd.get(), path, limit);
}

Result<std::string> read_regular_file(const std::filesystem::path& path, std::size_t limit) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return errno_error("open " + path.string(), errno);
  struct stat found {};
  if (::fstat(fd.get(), &found) != 0) return errno_error("look at " + path.string(), errno);
  if (!S_ISREG(found.st_mode))
    return Error{"cannot read " + path.string() + ": it is not a regular file"};
  Result<std::string> content = read_all(fd.get(), path, limit + 1);
  if (content && content->size() > limit)
    return Error{"cannot read " + path.string() + ": it has more than " +
                 std::to_string(limit / 1024) + " KiB"};
  return content;
}

std::optional<std::string> read_line(const std::filesystem::path& path) {
  Result<std::string> content = read_file(path, 4096);
  if (!content) return std::nullopt;
  return content->substr(0, content->find('\n'));
}

}  // namespace kvmx
