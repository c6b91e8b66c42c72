// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/tls/web_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
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

WebFiles read_web_files(const std::string& path) {
  std::vector<FileStamp> stamps;
  Result<WebConfig> config = read_config(path, stamps);
  return {std::move(stamps), std::move(config)};
}

std::optional<WebFiles> WebFilesReader::read_if_changed(const std::vector<FileStamp>& before,
                                                        bool always) {
  always_ = always_ || always;
  if (!reading_.valid() && !begin(before)) return std::nullopt;
  const auto patience = is_late_ ? std::chrono::milliseconds(0) : kPatience;
  if (reading_.wait_for(patience) == std::future_status::ready) {
    is_late_ = false;
    return reading_.get();
  }
  if (!std::exchange(is_late_, true))
    spdlog::error(
        "the web configuration stays as it was: {}, or a file that it names, is not to be read in "
        "time",
        path_);
  return std::nullopt;
}

/// Starts a thread that reads. It owns all that it uses, for it may outlive this.
bool WebFilesReader::begin(const std::vector<FileStamp>& before) {
  std::packaged_task<std::optional<WebFiles>()> read(
      [path = path_, before, always = always_]() -> std::optional<WebFiles> {
        if (!always && !has_changed(before)) return std::nullopt;
        return read_web_files(path);
      });
  std::future<std::optional<WebFiles>> reading = read.get_future();
  try {
    std::thread(std::move(read)).detach();
  } catch (const std::system_error& error) {
    spdlog::error("cannot start a thread that reads {}: {}", path_, error.what());
    return false;
  }
  reading_ = std::move(reading);
  always_ = false;
  return true;
}

}  // namespace kvmx
