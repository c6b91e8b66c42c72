// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <future>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "exporter/base/result.h"
#include "exporter/web/tls/web_config.h"

namespace kvmx {

/// What tells a file from what it was.
struct FileStamp {
  std::filesystem::path file;
  std::int64_t modified_ns = 0, size = 0, inode = 0;
  bool operator==(const FileStamp&) const = default;
};

/// A web configuration as its files say.
struct WebFiles {
  std::vector<FileStamp> stamps;  ///< of all that were read, or tried
  Result<WebConfig> config;       ///< with the texts of its certificates and keys
};

/// Reads a web configuration and the files that it names. The error names the configuration.
WebFiles read_web_files(const std::string& path);

/// Reads them again and again, each time in a thread of its own: a file system over the network, or
/// one of a program (FUSE), may never answer, and may be mounted over a file at any time.
class WebFilesReader {
 public:
  explicit WebFilesReader(std::string path) : path_(std::move(path)) {}

  /// The files, if one of them is not as its stamp of `before` says, or if `always`. Nothing, too,
  /// where they are not read within half a second: then they come with a later call.
  std::optional<WebFiles> read_if_changed(const std::vector<FileStamp>& before, bool always);

 private:
  bool begin(const std::vector<FileStamp>& before);

  const std::string path_;
  std::future<std::optional<WebFiles>> reading_;  ///< valid while its result was not taken
  bool is_late_ = false;
  bool always_ = false;  ///< asked for meanwhile
};

}  // namespace kvmx
