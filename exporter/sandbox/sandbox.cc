// SPDX-License-Identifier: Apache-2.0
#include "exporter/sandbox/sandbox.h"

#include <unistd.h>

#include <utility>

#include "exporter/base/log.h"
#include "exporter/sandbox/capabilities.h"
#include "exporter/sandbox/landlock.h"
#include "exporter/sandbox/seccomp.h"

namespace kvmx {
namespace {

/// Without capabilities, too, uid 0 owns what root owns: keys of other services among it.
std::string landlock_text(int version) {
  if (version != 0) return "files by Landlock " + std::to_string(version);
  return std::string("no Landlock in this kernel") +
         (::geteuid() == 0 ? ": any file of root can be read" : "");
}

}  // namespace

Sandbox::Sandbox(const std::vector<std::filesystem::path>& files) {
  if (landlock_version() == 0) return;
  const ReadablePaths readable = readable_paths(files);
  opened_ = open_paths(readable.paths);
  for (const std::filesystem::path& file : readable.fixed)
    spdlog::warn(
        "{} cannot be read again once another file is in its place: its directory holds other "
        "things, and is closed to this process. Give it a directory of its own",
        file.string());
}

void Sandbox::enter_thread() {
  // There are many threads, and one reason.
  if (const auto restricted = restrict_files({}, opened_);
      !restricted && !files_logged_.exchange(true))
    spdlog::warn("{}: threads may open any file", restricted.error().message);
  if (const auto dropped = drop_capabilities(); !dropped && !capabilities_logged_.exchange(true))
    spdlog::warn("{}: threads keep their privileges", dropped.error().message);
}

void Sandbox::enter() {
  const int landlock = landlock_version();  // asked for before the call is refused
  // By name as well: some of what every exporter reads comes with services that start later.
  const Result<void> files = restrict_files(readable_paths({}).paths, opened_);
  if (!files) spdlog::warn("{}: this process may open any file", files.error().message);
  const Result<std::string> kept = drop_capabilities();
  if (!kept) spdlog::warn("{}: this process keeps its privileges", kept.error().message);
  const Result<void> calls = restrict_system_calls(Audience::clients);
  if (!calls) spdlog::warn("{}: this process may make any system call", calls.error().message);
  std::string status = !kept           ? "all capabilities kept"
                       : kept->empty() ? "no capabilities"
                                       : "no capabilities but " + *kept;
  status += calls ? ", system calls filtered" : ", any system call";
  status += files ? ", " + landlock_text(landlock) : ", any file";
  spdlog::info("sandbox: {}", status);
  const std::lock_guard lock(mutex_);
  status_ = std::move(status);
}

std::string Sandbox::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

std::string Sandbox::offered() {
  return "capabilities, seccomp, " + landlock_text(landlock_version());
}

void enter_terminal_sandbox() {
  if (const auto files = restrict_files(readable_paths({}).paths); !files)
    spdlog::debug("{}", files.error().message);
  if (const auto dropped = drop_capabilities(); !dropped)
    spdlog::debug("{}", dropped.error().message);
  if (const auto filtered = restrict_system_calls(Audience::terminal); !filtered)
    spdlog::debug("{}", filtered.error().message);
}

}  // namespace kvmx
