// SPDX-License-Identifier: Apache-2.0
#include "exporter/base/timed_read.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "exporter/base/clock.h"
#include "exporter/base/file.h"
#include "exporter/base/log.h"
#include "exporter/base/result.h"

namespace kvmx {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLongest(500);
constexpr std::chrono::milliseconds kShortest(50);
constexpr std::chrono::milliseconds kFair(250);
constexpr int kWaitedFor = 10;  // one part of the time in so many may be spent waiting
constexpr std::size_t kMostLate = 256;

struct Read {
  std::optional<Result<std::string>> content;
  bool late = false;
};

/// Of all reads. Never destroyed: a thread that is late may outlive all else.
struct Reads {
  std::mutex mutex;
  std::condition_variable ended;
  std::map<std::filesystem::path, std::uint64_t> late;  ///< whose they are
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

/// How long the next read is waited for.
Clock::duration next_patience(Reads& all) {
  const Clock::time_point began = Clock::now();
  all.patience =
      std::min<Clock::duration>(kLongest, all.patience + (began - all.earned) / kWaitedFor);
  all.earned = began;
  return std::max<Clock::duration>(kShortest, all.patience);
}

/// Waits for a read, and takes the time it waits from what there is for all.
bool ends_within(Reads& all, Clock::duration patience, const Read& read,
                 std::unique_lock<std::mutex>& lock) {
  const Clock::time_point began = Clock::now();
  const bool ended = all.ended.wait_for(lock, patience, [&] { return read.content.has_value(); });
  all.patience -= std::min(all.patience, Clock::now() - began);
  return ended;
}

bool has_room(const Reads& all, std::uint64_t owner) {
  const auto own = static_cast<std::size_t>(
      std::ranges::count(all.late, owner, [](const auto& read) { return read.second; }));
  return 2 * own < kMostLate - (all.late.size() - own);
}

void warn_once(Reads& all, const std::filesystem::path& path) {
  if (std::exchange(all.warned, true)) return;
  spdlog::warn(
      "{} is not to be read in time: its process may keep its memory locked. VMs of such "
      "processes are known by their pid alone",
      path.string());
}

}  // namespace

TimedRead read_file_in_time(const std::filesystem::path& path, std::size_t limit,
                            const std::function<std::uint64_t()>& owner) {
  Reads& all = reads();
  std::unique_lock lock(all.mutex);
  if (all.late.contains(path)) return {};
  if (!all.late.empty() && !has_room(all, owner())) return {.content = {}, .refused = true};
  const auto read = std::make_shared<Read>();
  try {
    std::thread([path, limit, read] { read_there(path, limit, *read); }).detach();
  } catch (const std::system_error&) {
    return {.content = {}, .refused = true};
  }
  const Clock::duration patience = next_patience(all);
  if (!ends_within(all, patience, *read, lock)) {
    read->late = true;
    all.late.emplace(path, owner());
    warn_once(all, path);
    // A busy machine may have needed it all. If not, the next time will tell.
    return {.content = {}, .refused = patience < kFair};
  }
  if (!*read->content) return {};
  return {.content = **std::move(read->content)};
}

std::chrono::nanoseconds timed_reads_cpu_time() {
  Reads& all = reads();
  const std::lock_guard lock(all.mutex);
  return all.cpu_time;
}

}  // namespace kvmx
