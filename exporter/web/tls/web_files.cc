// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/tls/web_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

#include "exporter/base/file.h"
#include "exporter/base/log.h"

namespace kvmx {
namespace {

/// No certificate, key or bundle of authorities is larger.
constexpr std::size_t kMaxPem = 1024UL * 1024;
constexpr std::chrono::milliseconds kPatience(500);

FileStamp stamp_of(const std::filesystem::path& file) {
  struct stat found {};
  if (::stat(file.c_str(), &found) != 0) return {.file = file};
  return {.file = file,
          .modified_ns = found.st_mtim.tv_sec * 1'000'000'000LL + found.st_mtim.tv_nsec,
          .size = found.st_size,
          .inode = static_cast<std::int64_t>(found.st_ino)};
}

/// Each stamp is taken before its file is read: what changes meanwhile is then read once more.
Result<WebConfig> read_config(const std::string& path, std::vector<FileStamp>& stamps) {
  stamps = {stamp_of(path)};
  const Result<std::string> yaml = read_regular_file(path, kMaxWebConfig);
  if (!yaml) return yaml.error();
  Result<WebConfig> config = parse_web_config(*yaml, std::filesystem::path(path).parent_path());
  if (!config) return Error{path + ": " + config.error().message};
  if (!config->tls) return config;
  for (Pem* pem : {&config->tls->certificate, &config->tls->key, &config->tls->client_ca}) {
    if (pem->file.empty()) continue;
    stamps.push_back(stamp_of(pem->file));
    Result<std::string> text = read_regular_file(pem->file, kMaxPem);
    if (!text) return Error{path + ": " + text.error().message};
    pem->text = std::move(*text);
  }
  return config;
}

bool has_changed(const std::vector<FileStamp>& before) {
  return std::ranges::any_of(before,
                             [](const FileStamp& stamp) { return stamp_of(stamp.file) != stamp; });
}

}  // namespace

/// What a thread is to do, and what has come of it. It may outlive who asked.
struct WebFilesReader::Reading {
  Reading(std::string file, std::vector<FileStamp> stamps, bool must)
      : path(std::move(file)), before(std::move(stamps)), always(must) {}

  const std::string path;
  const std::vector<FileStamp> before;
  const bool always;
  std::mutex mutex;
  std::condition_variable ended;
  bool has_ended = false;
  bool is_late = false;
  std::optional<WebFiles> files;

  void run() {
    std::optional<WebFiles> found;
    if (always || has_changed(before)) found = read_web_files(path);
    const std::lock_guard lock(mutex);
    files = std::move(found);
    has_ended = true;
    ended.notify_all();
  }
};

WebFiles read_web_files(const std::string& path) {
  std::vector<FileStamp> stamps;
  Result<WebConfig> config = read_config(path, stamps);
  return {std::move(stamps), std::move(config)};
}

std::optional<WebFiles> WebFilesReader::read_if_changed(const std::vector<FileStamp>& before,
                                                        bool always) {
  always_ = always_ || always;
  if (!reading_) {
    reading_ = std::make_shared<Reading>(path_, before, std::exchange(always_, false));
    try {
      std::thread([reading = reading_] { reading->run(); }).detach();
    } catch (const std::system_error& error) {
      spdlog::error("cannot start a thread that reads {}: {}", path_, error.what());
      reading_ = nullptr;
      return std::nullopt;
    }
  }
  std::unique_lock lock(reading_->mutex);
  const auto patience = reading_->is_late ? std::chrono::milliseconds(0) : kPatience;
  if (!reading_->ended.wait_for(lock, patience, [this] { return reading_->has_ended; })) {
    if (!std::exchange(reading_->is_late, true))
      spdlog::error(
          "the web configuration stays as it was: {}, or a file that it names, is not to be read "
          "in time",
          path_);
    return std::nullopt;
  }
  std::optional<WebFiles> files = std::move(reading_->files);
  lock.unlock();
  reading_ = nullptr;
  return files;
}

}  // namespace kvmx
