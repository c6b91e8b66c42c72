// SPDX-License-Identifier: Apache-2.0
#include "exporter/base/timed_read.h"

#include <algorithm>
#include <condition_variable>
#include <cstdint>
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

struct Read {
  std::filesystem::path path;
  std::size_t limit = 0;
  std::optional<Result<std::string>> content{};
  bool late = false;
};

/// Of all reads. Never destroyed: a thread that is late may outlive all else.
struct Reads {
  std::mutex mutex;
  std::deque<std::shared_ptr<Read>> asked;  ///< for which no reader has come yet
  std::condition_variable came;             ///< to `asked`
  std::size_t waiting = 0;                  ///< readers that wait for work, or are about to
  std::uint64_t generation = 0;             ///< those of former ones wait for nothing any more
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

/// What a reader does. It stays for the next read, since to make a thread for each takes longer
/// than most reads do; but one that waits is enough.
void serve_reads(std::uint64_t generation) {
  Reads& all = reads();
  std::uint64_t counted_ns = 0;
  std::unique_lock lock(all.mutex);
  for (;;) {
    all.came.wait(lock, [&] { return !all.asked.empty() || all.generation != generation; });
    if (all.asked.empty()) return;
    const std::shared_ptr<Read> read = std::move(all.asked.front());
    all.asked.pop_front();
    if (all.generation == generation) --all.waiting;
    lock.unlock();
    Result<std::string> content = read_file(read->path, read->limit);
    lock.lock();
    read->content = std::move(content);
    if (read->late) all.late.erase(read->path);
    const std::uint64_t cpu_ns = thread_cpu_ns();
    all.cpu_time += std::chrono::nanoseconds(cpu_ns - std::exchange(counted_ns, cpu_ns));
    all.ended.notify_all();
    if (all.generation != generation || all.waiting > 0) return;
    ++all.waiting;
  }
}

/// Has a reader take this. Returns whether there is one, or could be made.
bool ask(Reads& all, const std::shared_ptr<Read>& read) {
  if (all.asked.size() >= all.waiting) {
    try {
      std::thread(serve_reads, all.generation).detach();
    } catch (const std::system_error&) {
      return false;
    }
    ++all.waiting;
  }
  all.asked.push_back(read);
  all.came.notify_one();
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
  if (!ask(all, read)) return {.content = {}, .refused = true};
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

void end_waiting_readers() {
  Reads& all = reads();
  const std::lock_guard lock(all.mutex);
  ++all.generation;
  all.waiting = 0;
  all.came.notify_all();
}

std::chrono::nanoseconds timed_reads_cpu_time() {
  Reads& all = reads();
  const std::lock_guard lock(all.mutex);
  return all.cpu_time;
}

}  // namespace kvmx
