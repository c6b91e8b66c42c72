// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/tls/active_web_config.h"

#include <utility>

namespace kvmx {

Result<std::unique_ptr<WebConfigWatcher>> WebConfigWatcher::open(std::string path) {
  std::unique_ptr<WebConfigWatcher> watcher(new WebConfigWatcher(std::move(path)));
  if (watcher->path_.empty()) return watcher;
  WebFiles files = read_web_files(watcher->path_);
  watcher->stamps_ = std::move(files.stamps);
  if (!files.config) return files.config.error();
  Result<std::shared_ptr<const ActiveWebConfig>> config =
      watcher->activate(*std::move(files.config));
  if (!config) return config.error();
  watcher->current_ = std::move(*config);
  return watcher;
}

std::shared_ptr<const ActiveWebConfig> WebConfigWatcher::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

std::vector<std::filesystem::path> WebConfigWatcher::files() const {
  std::vector<std::filesystem::path> files;
  for (const FileStamp& stamp : stamps_) files.push_back(stamp.file);
  return files;
}

Result<bool> WebConfigWatcher::refresh(bool always) {
  if (path_.empty()) return false;
  std::optional<WebFiles> files = reader_.read_if_changed(stamps_, always);
  if (!files) return false;
  stamps_ = std::move(files->stamps);
  if (!files->config) return files->config.error();
  Result<std::shared_ptr<const ActiveWebConfig>> config = activate(*std::move(files->config));
  if (!config) return config.error();
  if (!(*config)->tls != !current()->tls)
    return Error{path_ + ": TLS cannot be switched on or off while the exporter runs: restart it"};
  const std::lock_guard lock(mutex_);
  current_ = std::move(*config);
  return true;
}

Result<std::shared_ptr<const ActiveWebConfig>> WebConfigWatcher::activate(WebConfig config) const {
  auto active = std::make_shared<ActiveWebConfig>();
  if (config.tls) {
    Result<TlsContext> tls = make_tls_context(*config.tls);
    if (!tls) return Error{path_ + ": " + tls.error().message};
    active->tls = std::move(*tls);
  }
  active->headers = std::move(config.headers);
  const std::shared_ptr<const ActiveWebConfig> before = current();
  active->auth = std::make_unique<BasicAuth>(config.users, before->auth.get());
  if (config.rate_limit) {
    active->rate_limiter =
        std::make_shared<RateLimiter>(config.rate_limit->interval, config.rate_limit->burst);
    if (before->rate_limiter && before->rate_limiter->same_limits(*active->rate_limiter))
      active->rate_limiter = before->rate_limiter;
  }
  return std::shared_ptr<const ActiveWebConfig>(std::move(active));
}

}  // namespace kvmx
