// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/pin_path.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace kvmx {
namespace {

namespace fs = std::filesystem;

/// As many as the kernel follows.
constexpr int kMaxLinks = 40;

bool is_trusted(const struct stat& found) {
  return found.st_uid == 0 || found.st_uid == ::geteuid();
}

Error refused(const fs::path& pin_directory, const fs::path& where, const std::string& why) {
  return Error{"--bpf.pin-dir=" + pin_directory.string() + ": " + where.string() + " " + why +
               ", who could put another directory in its place: give a way to it that is root's"};
}

Result<void> check_directory(const fs::path& pin_directory, const fs::path& where,
                             const struct stat& found) {
  if (!is_trusted(found))
    return refused(pin_directory, where,
                   "belongs to another user (uid " + std::to_string(found.st_uid) + ")");
  // In a sticky one nobody moves what is another's.
  if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (found.st_mode & S_ISVTX) == 0)
    return refused(pin_directory, where, "can be written to by others");
  return {};
}

/// Walks along `path`, of which `where` is trusted already. Whatever has been passed cannot be
/// exchanged any more by others, so that each step finds what the kernel will find.
Result<void> walk(const fs::path& pin_directory, fs::path where, const fs::path& path, int links) {
  for (auto step = path.begin(); step != path.end(); ++step) {
    const bool is_last = std::next(step) == path.end();
    const fs::path next = step->is_absolute() ? *step : where / *step;
    struct stat found {};
    if (::lstat(next.c_str(), &found) != 0)
      return errno == ENOENT && is_last ? Result<void>()
                                        : errno_error("look at " + next.string(), errno);
    if (S_ISLNK(found.st_mode)) {
      if (!is_trusted(found) || links == kMaxLinks)
        return refused(pin_directory, next, "is a symbolic link of others");
      std::error_code error;
      fs::path rest = fs::read_symlink(next, error);
      if (error) return errno_error("look at " + next.string(), error.value());
      for (++step; step != path.end(); ++step) rest /= *step;
      return walk(pin_directory, where, rest, links + 1);
    }
    if (is_last) return {};
    if (Result<void> checked = check_directory(pin_directory, next, found); !checked)
      return checked;
    where = next;
  }
  return {};
}

}  // namespace

Result<void> check_way_to(const fs::path& pin_directory) {
  std::error_code error;
  fs::path whole = fs::absolute(pin_directory, error);
  if (error) return errno_error("look at " + pin_directory.string(), error.value());
  if (!whole.has_filename()) whole = whole.parent_path();  // a slash at the end
  return walk(pin_directory, {}, whole, 0);
}

}  // namespace kvmx
