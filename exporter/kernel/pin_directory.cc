// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/pin_directory.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <vector>

#include "exporter/base/log.h"
#include "exporter/kernel/pin_path.h"

namespace kvmx {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "set_";
constexpr std::size_t kHashDigits = 16;
constexpr mode_t kOwnerOnly = 0700;

std::string set_name(std::uint64_t hash) {
  char digits[kHashDigits + 1];
  std::snprintf(digits, sizeof(digits), "%016llx", static_cast<unsigned long long>(hash));
  return std::string(kPrefix) + digits;
}

bool is_set(const fs::directory_entry& entry) {
  const std::string name = entry.path().filename();
  std::error_code ignored;
  return name.starts_with(kPrefix) && name.size() == kPrefix.size() + kHashDigits &&
         name.find_first_not_of("0123456789abcdef", kPrefix.size()) == std::string::npos &&
         entry.is_directory(ignored);
}

Result<std::vector<fs::directory_entry>> entries(const std::string& path) {
  std::vector<fs::directory_entry> found;
  std::error_code error;
  for (fs::directory_iterator at(path, error); !error && at != fs::directory_iterator();
       at.increment(error))
    found.push_back(*at);
  if (error) return errno_error("read the pin directory " + path, error.value());
  return found;
}

/// Whoever may rename in the directory can take the counts away, or give others instead. Who may
/// only read it could still lock it: that it is closed to others is seen to here.
Result<void> make_own(int directory, const std::string& path) {
  struct stat found {};
  if (::fstat(directory, &found) != 0)
    return errno_error("look at the pin directory " + path, errno);
  if (found.st_uid != 0 && found.st_uid != ::geteuid())
    return Error{"--bpf.pin-dir=" + path + " belongs to another user (uid " +
                 std::to_string(found.st_uid) +
                 "), who could take away what is pinned there: remove it, or give another one"};
  if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return Error{"--bpf.pin-dir=" + path +
                 " can be written to by others, who could take away what is pinned there: "
                 "\"chmod go-w " +
                 path + "\""};
  const mode_t others = S_IRWXG | S_IRWXO;
  if ((found.st_mode & others) != 0 && ::fchmod(directory, found.st_mode & kOwnerOnly) != 0)
    return errno_error("close the pin directory " + path + " to others, who could lock it", errno);
  return {};
}

}  // namespace

void SetHash::add(const void* data, std::size_t size) {
  constexpr std::uint64_t kPrime = 0x100000001b3;
  const auto* bytes = static_cast<const unsigned char*>(data);
  for (std::size_t i = 0; i < size; ++i) value_ = (value_ ^ bytes[i]) * kPrime;
}

void SetHash::add(std::string_view text) {
  add(text.data(), text.size());
  add("", 1);  // its NUL: "ab", "c" are not "a", "bc"
}

Result<PinDirectory> PinDirectory::open(const std::string& path, PinPurpose purpose) {
  PinDirectory directory(path);
  if (Result<void> checked = check_way_to(path); !checked) return checked.error();
  if (::mkdir(path.c_str(), kOwnerOnly) != 0 && errno != EEXIST)
    return errno_error("make the pin directory " + path, errno);
  directory.lock_ = UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.lock_) return errno_error("open the pin directory " + path, errno);
  struct statfs file_system {};
  if (::fstatfs(directory.lock_.get(), &file_system) != 0)
    return errno_error("look at the pin directory " + path, errno);
  if (file_system.f_type != BPF_FS_MAGIC)
    return Error{"--bpf.pin-dir=" + path +
                 " is not on a BPF file system: use a directory in /sys/fs/bpf, and if nothing is "
                 "mounted there, \"mount -t bpf bpf /sys/fs/bpf\""};
  if (purpose == PinPurpose::count)
    if (Result<void> owned = make_own(directory.lock_.get(), path); !owned) return owned.error();
  if (::flock(directory.lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return errno_error("lock the pin directory " + path, errno);
    return Error{"another exporter uses --bpf.pin-dir=" + path +
                 ": stop it, or give this one a directory of its own"};
  }
  return directory;
}

Result<bool> PinDirectory::choose(const SetHash& hash) {
  set_ = path_ + "/" + set_name(hash.value());
  std::error_code ignored;
  if (!fs::exists(set_, ignored)) return false;
  if (get("complete")) return true;
  spdlog::warn("what is pinned in {} is incomplete: it is removed, and counters start again", set_);
  if (Result<void> removed = remove_chosen(); !removed) return removed.error();
  return false;
}

Result<void> PinDirectory::remove_others() const {
  const auto found = entries(path_);
  if (!found) return found.error();
  for (const fs::directory_entry& entry : *found) {
    const std::string path = entry.path();
    if (!is_set(entry)) {
      spdlog::warn("{} is not of this exporter: left alone", path);
    } else if (path != set_) {
      spdlog::warn(
          "what is pinned in {} was counted by other programs or options: it is removed, and "
          "counters start again",
          path);
      if (Result<void> removed = remove(path); !removed) return removed;
    }
  }
  return {};
}

UniqueFd PinDirectory::get(const std::string& name) const {
  return UniqueFd(bpf_obj_get((set_ + "/" + name).c_str()));
}

Result<void> PinDirectory::pin(int fd, const std::string& name) const {
  if (::mkdir(set_.c_str(), kOwnerOnly) != 0 && errno != EEXIST)
    return errno_error("make " + set_, errno);
  const std::string path = set_ + "/" + name;
  if (bpf_obj_pin(fd, path.c_str()) == 0) return {};
  return errno_error("pin " + path, errno);
}

Result<void> PinDirectory::remove_chosen() const {
  std::error_code ignored;
  return fs::exists(set_, ignored) ? remove(set_) : Result<void>();
}

Result<void> PinDirectory::remove(const std::string& set) const {
  // The mark goes first: what is left of a removal cut short is known to be incomplete.
  std::error_code error;
  fs::remove(set + "/complete", error);
  if (!error) fs::remove_all(set, error);
  return error ? Result<void>(errno_error("remove " + set, error.value())) : Result<void>();
}

Result<int> PinDirectory::remove_all() const {
  const auto found = entries(path_);
  if (!found) return found.error();
  int removed = 0;
  for (const fs::directory_entry& entry : *found) {
    if (!is_set(entry)) continue;
    if (Result<void> gone = remove(entry.path()); !gone) return gone.error();
    ++removed;
  }
  return removed;
}

}  // namespace kvmx
