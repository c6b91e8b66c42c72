// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "exporter/base/unique_fd.h"

namespace kvmx {

/// What a running exporter gives up, for good: capabilities, most system calls, and all files but
/// those that it reads. What cannot be given up is logged and left.
class Sandbox {
 public:
  /// `files`: the web configuration, and what it names.
  explicit Sandbox(const std::vector<std::filesystem::path>& files);

  /// For a thread of the web server, which needs no privileges from the first: its capabilities,
  /// and files by Landlock. System calls follow with those of the whole process.
  void enter_thread();

  /// For the whole process, by the thread that attached: its own capabilities and files, and the
  /// system calls of all threads.
  void enter();

  /// What is in force, as a phrase: "no capabilities, system calls filtered, files by Landlock 7".
  /// Safe to call from any thread.
  [[nodiscard]] std::string status() const;

  /// What this kernel has to offer, for --version.
  static std::string offered();

 private:
  /// What may be read, opened while it answers: a file system over the network, or of a program
  /// (FUSE), may not when the sandbox is entered.
  std::vector<UniqueFd> opened_;
  mutable std::mutex mutex_;
  std::string status_ = "not entered yet";
  std::atomic<bool> files_logged_ = false;  ///< that a thread could not give them up
  std::atomic<bool> capabilities_logged_ = false;
};

/// What a command gives up for good that tells a terminal what it has counted, before it looks at
/// what others wrote: capabilities, files but those that every exporter reads, and most system
/// calls. What cannot be given up is left, and shows in the log at debug.
void enter_terminal_sandbox();

}  // namespace kvmx
