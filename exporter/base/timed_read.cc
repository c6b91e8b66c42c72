// SPDX-License-Identifier: Apache-2.0
#include "exporter/base/timed_read.h"

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "exporter/base/clock.h"
#include "exporter/base/file.h"
#include "exporter/base/log.h"

namespace kvmx {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLongest(500);
constexpr std::chrono::milliseconds kShortest(100);
constexpr int kWaitedFor = 10;  // one part of the time in so many may be spent waiting
constexpr std::size_t kMostLate = 16;

struct Read {
  std::optional<Result<std::string>> content;
  bool late = false;
};

/// Of all reads. Never destroyed: a thread that is late may outlive all else.
struct Reads {
  std::mutex mutex;
  std::condition_variable ended;
  std::set<std::filesystem::path> late;
  Clock::duration patience = kLongest;
  Clock::time_point earned = Clock::now();
  std::chrono::nanoseconds cpu_time{0};
  bool warned = false;
};

Reads& reads() {
  static Reads& all = *new Reads;
  return all;
}

void read_there(const std::filesystem::path& path, std::size_t limit, Read& read) {
  Result<std::string> content = read_file(path, limit);
  Reads& all = reads();
  const std::lock_guard lock(all.mutex);
  read.content = std::move(content);
  if (read.late) all.late.erase(path);
  all.cpu_time += std::chrono::nanoseconds(thread_cpu_ns());
  all.ended.notify_all();
}

/// Waits for a read, and takes the time it waits from what there is for all.
bool ends_in_time(Reads& all, const Read& read, std::unique_lock<std::mutex>& lock) {
  const Clock::time_point began = Clock::now();
  all.patience =
      std::min<Clock::duration>(kLongest, all.patience + (began - all.earned) / kWaitedFor);
  all.earned = began;
  const Clock::duration longest = std::max<Clock::duration>(kShortest, all.patience);
  const bool ended = all.ended.wait_for(lock, longest, [&] { return read.content.has_value(); });
  all.patience -= std::min(all.patience, Clock::now() - began);
  return ended;
}

}  // namespace

Result<std::string> read_file_in_time(const std::filesystem::path& path, std::size_t limit) {
  Reads& all = reads();
  std::unique_lock lock(all.mutex);
  if (all.late.contains(path) || all.late.size() >= kMostLate)
    return Error{"read " + path.string() + ": what was to be read before still is"};
  const auto read = std::make_shared<Read>();
  try {
    std::thread([path, limit, read] { read_there(path, limit, *read); }).detach();
  } catch (const std::system_error& error) {
    return errno_error("start a thread that reads " + path.string(), error.code().value());
  }
  if (ends_in_time(all, *read, lock)) return *std::move(read->content);
  read->late = true;
  all.late.insert(path);
  if (!std::exchange(all.warned, true))
    spdlog::warn(
        "{} is not to be read in time: its process may keep its memory locked. VMs of such "
        "processes are known by their pid alone",
        path.string());
  return Error{"read " + path.string() + ": it takes too long"};
}

std::chrono::nanoseconds timed_reads_cpu_time() {
  Reads& all = reads();
  const std::lock_guard lock(all.mutex);
  return all.cpu_time;
}

}  // namespace kvmx
