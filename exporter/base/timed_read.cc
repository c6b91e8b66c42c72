// SPDX-License-Identifier: Apache-2.0
#include "exporter/base/timed_read.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
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
/// A thread is not kept for long: it has the rights of the one that started it.
constexpr int kReadsOfThread = 64;
constexpr std::chrono::milliseconds kIdle(200);

struct Read {
  std::filesystem::path path;
  std::size_t limit;
  std::optional<Result<std::string>> content{};
  bool late = false;
};

/// Of all reads. Never destroyed: a thread that is late may outlive all else.
struct Reads {
  std::mutex mutex;
  std::condition_variable wanted;
  std::condition_variable ended;
  std::deque<std::shared_ptr<Read>> waiting;            ///< that no thread has taken yet
  std::size_t idle = 0;                                 ///< threads
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

/// What a thread does: some reads, as long as they follow each other quickly and none is late.
void read_some() {
  Reads& all = reads();
  std::unique_lock lock(all.mutex);
  std::uint64_t cpu_ns = 0;
  for (int left = kReadsOfThread; left > 0; --left) {
    ++all.idle;
    all.wanted.wait_for(lock, kIdle, [&all] { return !all.waiting.empty(); });
    --all.idle;
    if (all.waiting.empty()) return;
    const std::shared_ptr<Read> read = std::move(all.waiting.front());
    all.waiting.pop_front();
    lock.unlock();
    Result<std::string> content = read_file(read->path, read->limit);
    lock.lock();
    read->content = std::move(content);
    const std::uint64_t now_ns = thread_cpu_ns();
    all.cpu_time += std::chrono::nanoseconds(now_ns - std::exchange(cpu_ns, now_ns));
    all.ended.notify_all();
    if (!read->late) continue;
    all.late.erase(read->path);
    return;
  }
}

/// Has a thread begin to read. Returns whether there is one.
bool begin(Reads& all, const std::shared_ptr<Read>& read) {
  all.waiting.push_back(read);
  try {
    if (all.idle < all.waiting.size()) std::thread(read_some).detach();
  } catch (const std::system_error&) {
    all.waiting.pop_back();
    return false;
  }
  all.wanted.notify_one();
  return true;
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
  const auto read = std::make_shared<Read>(Read{.path = path, .limit = limit});
  if (!begin(all, read)) return {.content = {}, .refused = true};
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
