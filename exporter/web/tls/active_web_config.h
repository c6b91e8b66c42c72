// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "exporter/base/result.h"
#include "exporter/web/tls/basic_auth.h"
#include "exporter/web/tls/rate_limiter.h"
#include "exporter/web/tls/tls_context.h"
#include "exporter/web/tls/web_files.h"

namespace kvmx {

/// A web configuration with its certificates and passwords loaded: what requests are served by.
struct ActiveWebConfig {
  Headers headers;
  TlsContext tls;                             ///< null: plain HTTP
  std::shared_ptr<RateLimiter> rate_limiter;  ///< null: any number of requests
  std::unique_ptr<BasicAuth> auth =
      std::make_unique<BasicAuth>(std::map<std::string, std::string>());
};

/// Watches --web.config.file and the files it names, and holds the configuration they gave last.
class WebConfigWatcher {
 public:
  /// `path` may be empty: plain HTTP for everyone.
  static Result<std::unique_ptr<WebConfigWatcher>> open(std::string path);

  [[nodiscard]] std::shared_ptr<const ActiveWebConfig> current() const;

  /// The files that were read last: the configuration, certificates and keys.
  [[nodiscard]] std::vector<std::filesystem::path> files() const;

  /// Reads the files again if one of them has changed since they were last read, or if `always`.
  /// True if there is a new configuration; on an error the one before stays in force. It takes half
  /// a second at most: what comes later is in force after a later call.
  Result<bool> refresh(bool always);

 private:
  explicit WebConfigWatcher(std::string path) : path_(std::move(path)), reader_(path_) {}
  [[nodiscard]] Result<std::shared_ptr<const ActiveWebConfig>> activate(WebConfig config) const;

  const std::string path_;
  WebFilesReader reader_;
  std::vector<FileStamp> stamps_;  ///< of the files as they were last read, or tried
  mutable std::mutex mutex_;
  std::shared_ptr<const ActiveWebConfig> current_ = std::make_shared<ActiveWebConfig>();
};

}  // namespace kvmx
