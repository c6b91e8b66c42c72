// SPDX-License-Identifier: Apache-2.0
#include "exporter/sandbox/landlock.h"

#include <fcntl.h>
#include <linux/types.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace kvmx {
namespace {

// The kernel's own interface: Debian 12's headers know version 1 only, and libc none of it.
// include/uapi/linux/landlock.h of Linux 6.12, same numbers on every architecture.
constexpr long kCreateRuleset = 444;
constexpr long kAddRule = 445;
constexpr long kRestrictSelf = 446;
constexpr unsigned kAskVersion = 1;
constexpr int kPathBeneath = 1;

struct Ruleset {
  std::uint64_t handled_files = 0;
  std::uint64_t handled_network = 0;  ///< from version 4
  std::uint64_t scoped = 0;           ///< from version 6
};

struct __attribute__((packed)) PathBeneath {
  std::uint64_t allowed = 0;
  std::int32_t directory = -1;
};

constexpr std::uint64_t kReadFile = 1U << 2U;
constexpr std::uint64_t kReadDirectory = 1U << 3U;
constexpr std::uint64_t kTcp = 0b11;     ///< bind, connect
constexpr std::uint64_t kScopes = 0b11;  ///< abstract unix sockets, signals

/// Every right over files that a version knows: 13 at first, then linking to elsewhere, truncating
/// and ioctl() of devices.
constexpr std::uint64_t file_rights(int version) {
  const unsigned rights = version == 1 ? 13 : version == 2 ? 14 : version < 5 ? 15 : 16;
  return (1ULL << rights) - 1;
}

/// What it was opened as, for people.
std::string path_of(int opened) {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(opened), error);
  return error ? "a path" : path.string();
}

Result<void> allow_reading(int ruleset, int opened) {
  struct stat found {};
  if (::fstat(opened, &found) != 0) return errno_error("look at " + path_of(opened), errno);
  const PathBeneath rule{S_ISDIR(found.st_mode) ? kReadFile | kReadDirectory : kReadFile, opened};
  if (::syscall(kAddRule, ruleset, kPathBeneath, &rule, 0) == 0) return {};
  return errno_error("let Landlock allow to read " + path_of(opened), errno);
}

namespace fs = std::filesystem;

/// Whether a directory is one of those that hold much else, or will.
bool is_shared(const fs::path& directory) {
  constexpr std::array<std::string_view, 15> kShared = {
      "/",    "/boot", "/etc", "/home", "/media", "/mnt",     "/opt",    "/root",
      "/run", "/srv",  "/tmp", "/usr",  "/var",   "/var/lib", "/var/tmp"};
  return std::ranges::find(kShared, directory.string()) != kShared.end();
}

/// Whether an entry of the directory of `file` tells that the directory is somebody's home, or a
/// place for many things: hidden ones and directories. An editor's copy of the file is none of
/// those, nor are the directories of Kubernetes, in which a volume's files are (..data).
bool is_something_else(const fs::directory_entry& entry, const fs::path& file) {
  const std::string name = entry.path().filename();
  if (name.starts_with("..") || name.starts_with("." + file.filename().string())) return false;
  std::error_code ignored;
  return name.starts_with(".") || entry.is_directory(ignored);
}

/// Whether the directory of `file` is there for it: named after this program, or one of files
/// alone.
bool has_own_directory(const fs::path& file) {
  const fs::path directory = file.parent_path();
  if (is_shared(directory)) return false;
  const std::string name = directory.filename();
  if (name.find("kvm-exit-exporter") != name.npos || name.find("kvm_exit_exporter") != name.npos)
    return true;
  std::error_code error;
  for (fs::directory_iterator at(directory, error); !error && at != fs::directory_iterator();
       at.increment(error))
    if (is_something_else(*at, file)) return false;
  return !error;
}

}  // namespace

int landlock_version() {
  const long version = ::syscall(kCreateRuleset, nullptr, 0, kAskVersion);
  return version < 0 ? 0 : static_cast<int>(version);
}

std::vector<UniqueFd> open_paths(const std::vector<fs::path>& paths) {
  std::vector<UniqueFd> opened;
  for (const fs::path& path : paths) {
    UniqueFd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
    if (fd) opened.push_back(std::move(fd));
  }
  return opened;
}

Result<void> restrict_files(const std::vector<fs::path>& readable,
                            const std::vector<UniqueFd>& also) {
  const int version = landlock_version();
  if (version == 0) return {};
  const Ruleset handled{file_rights(version), version >= 4 ? kTcp : 0, version >= 6 ? kScopes : 0};
  const std::size_t size = version >= 6   ? sizeof(handled)
                           : version >= 4 ? 2 * sizeof(std::uint64_t)
                                          : sizeof(std::uint64_t);
  const UniqueFd ruleset(static_cast<int>(::syscall(kCreateRuleset, &handled, size, 0)));
  if (!ruleset) return errno_error("make a Landlock ruleset", errno);
  const std::vector<UniqueFd> opened = open_paths(readable);
  for (const std::vector<UniqueFd>* paths : {&opened, &also})
    for (const UniqueFd& path : *paths)
      if (Result<void> allowed = allow_reading(ruleset.get(), path.get()); !allowed) return allowed;
  // Spares CAP_SYS_ADMIN. Nothing is run here anyway.
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return errno_error("give up new privileges", errno);
  if (::syscall(kRestrictSelf, ruleset.get(), 0) != 0)
    return errno_error("restrict itself by Landlock", errno);
  return {};
}

ReadablePaths readable_paths(const std::vector<fs::path>& files) {
  // /proc and /sys are what is counted, libvirt's status files and the logs of pods tell who VMs
  // are, and /etc/ssl has the authorities that clients' certificates may be checked against.
  ReadablePaths readable{{"/proc", "/sys", "/run/libvirt", "/run/kvm-exit-exporter-names",
                          "/var/log/pods", "/etc/ssl/certs"},
                         {}};
  for (const fs::path& file : files) {
    std::error_code ignored;
    const fs::path named =
        fs::weakly_canonical(fs::absolute(file, ignored).parent_path(), ignored) / file.filename();
    const fs::path target = fs::weakly_canonical(file, ignored);
    for (const fs::path& path : {named, target})
      if (path.is_absolute())
        readable.paths.push_back(has_own_directory(path) ? path.parent_path() : path);
    if (!has_own_directory(target)) readable.fixed.push_back(file);
  }
  return readable;
}

}  // namespace kvmx
