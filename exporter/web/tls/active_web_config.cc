// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/tls/active_web_config.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "exporter/base/file.h"

namespace kvmx {

Result<std::unique_ptr<WebConfigWatcher>> WebConfigWatcher::open(std::string path) {
  std::unique_ptr<WebConfigWatcher> watcher(new WebConfigWatcher(std::move(path)));
  if (watcher->path_.empty()) return watcher;
  Result<std::shared_ptr<const ActiveWebConfig>> config = watcher->read();
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
  for (const Stamp& stamp : stamps_) files.push_back(stamp.file);
  return files;
}

Result<bool> WebConfigWatcher::refresh(bool always) {
  if (path_.empty()) return false;
  const bool same = std::ranges::all_of(
      stamps_, [](const Stamp& before) { return stamp(before.file) == before; });
  if (same && !always) return false;
  Result<std::shared_ptr<const ActiveWebConfig>> config = read();
  if (!config) return config.error();
  if (!(*config)->tls != !current()->tls)
    return Error{path_ + ": TLS cannot be switched on or off while the exporter runs: restart it"};
  const std::lock_guard lock(mutex_);
  current_ = std::move(*config);
  return true;
}

Result<std::shared_ptr<const ActiveWebConfig>> WebConfigWatcher::read() {
  // Stamps before reading: what changes meanwhile is then read once more.
  stamps_ = {stamp(path_)};
  const Result<std::string> yaml = read_regular_file(path_, kMaxWebConfig);
  if (!yaml) return yaml.error();
  Result<WebConfig> config = parse_web_config(*yaml, std::filesystem::path(path_).parent_path());
  if (!config) return Error{path_ + ": " + config.error().message};
  auto active = std::make_shared<ActiveWebConfig>();
  if (config->tls) {
    for (const Pem* pem : {&config->tls->certificate, &config->tls->key, &config->tls->client_ca})
      if (!pem->file.empty()) stamps_.push_back(stamp(pem->file));
    Result<TlsContext> tls = make_tls_context(*config->tls);
    if (!tls) return Error{path_ + ": " + tls.error().message};
    active->tls = std::move(*tls);
  }
  active->headers = std::move(config->headers);
  const std::shared_ptr<const ActiveWebConfig> before = current();
  active->auth = std::make_unique<BasicAuth>(config->users, before->auth.get());
  if (config->rate_limit) {
    active->rate_limiter =
        std::make_shared<RateLimiter>(config->rate_limit->interval, config->rate_limit->burst);
    if (before->rate_limiter && before->rate_limiter->same_limits(*active->rate_limiter))
      active->rate_limiter = before->rate_limiter;
  }
  return std::shared_ptr<const ActiveWebConfig>(std::move(active));
}

WebConfigWatcher::Stamp WebConfigWatcher::stamp(const std::filesystem::path& file) {
  struct stat found {};
  if (::stat(file.c_str(), &found) != 0) return {.file = file};
  return {.file = file,
          .modified_ns = found.st_mtim.tv_sec * 1'000'000'000LL + found.st_mtim.tv_nsec,
          .size = found.st_size,
          .inode = static_cast<std::int64_t>(found.st_ino)};
}

}  // namespace kvmx
