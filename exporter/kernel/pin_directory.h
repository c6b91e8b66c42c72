// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "exporter/base/result.h"
#include "exporter/base/unique_fd.h"

namespace kvmx {

/// Identifies a set of BPF programs and maps: FNV-1a of all that shapes it.
class SetHash {
 public:
  void add(const void* data, std::size_t size);
  void add(std::string_view text);
  [[nodiscard]] std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325;
};

/// What a pin directory is opened for.
enum class PinPurpose { count, remove };

/// A directory on a bpffs where programs, maps and links are pinned, so that they outlive the
/// exporter. Locked while this exists. It holds one set at a time, in a folder set_HASH, the object
/// `complete` being pinned last; whatever else is there is left alone.
class PinDirectory {
 public:
  /// Makes the directory if it is not there, and locks it. Others must not be able to exchange a
  /// part of its path. To count with what is pinned there, it must be this user's or root's, and
  /// nobody else may write to it; then nobody else may enter it from now on, either.
  static Result<PinDirectory> open(const std::string& path, PinPurpose purpose = PinPurpose::count);

  /// Chooses the set to work on, and removes it if it is incomplete. Returns whether it is there.
  Result<bool> choose(const SetHash& hash);

  /// Removes all sets but the chosen one.
  Result<void> remove_others() const;

  /// The pinned object of this name in the chosen set; none if it cannot be had.
  [[nodiscard]] UniqueFd get(const std::string& name) const;

  Result<void> pin(int fd, const std::string& name) const;

  /// Removes the chosen set, if any.
  Result<void> remove_chosen() const;

  /// Removes all sets, so that nothing is counted any more. Returns how many there were.
  Result<int> remove_all() const;

 private:
  explicit PinDirectory(std::string path) : path_(std::move(path)) {}
  Result<void> remove(const std::string& set) const;

  std::string path_;
  std::string set_;  ///< path of the chosen set
  UniqueFd lock_;
};

}  // namespace kvmx
