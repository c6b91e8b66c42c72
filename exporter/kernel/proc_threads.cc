// SPDX-License-Identifier: Apache-2.0
#include "exporter/kernel/proc_threads.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <string>

#include "exporter/base/clock.h"
#include "exporter/base/file.h"
#include "exporter/base/process.h"
#include "exporter/base/unique_fd.h"

namespace kvmx {
namespace {

constexpr std::uint64_t kMostNs = 10'000'000;  ///< CPU time of a call
constexpr std::size_t kRoundsOfKernelThreads = 10;
constexpr std::uint32_t kKthreadd = 2;  ///< the parent of the kernel's own threads

// task_struct.flags, as in bpf/list_threads.bpf.c.
constexpr std::uint64_t kUserWorker = 0x00004000;
constexpr std::uint64_t kKernelThread = 0x00200000;

/// Takes a number and the space after it off the front of `text`.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  return number;
}

bool is_gone(int error) { return error == ENOENT || error == ESRCH; }

/// Ids that are the names in a directory. Nothing if it cannot be read; empty if it is gone.
std::optional<std::vector<std::uint32_t>> ids_in(const std::string& path) {
  const std::unique_ptr<DIR, decltype([](DIR* open) { ::closedir(open); })> directory(
      ::opendir(path.c_str()));
  if (!directory)
    return is_gone(errno) ? std::optional(std::vector<std::uint32_t>()) : std::nullopt;
  std::vector<std::uint32_t> ids;
  errno = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    std::string_view name(entry->d_name);
    const auto id = take_number(name);
    if (id && name.empty()) ids.push_back(static_cast<std::uint32_t>(*id));
  }
  return errno == 0 || is_gone(errno) ? std::optional(ids) : std::nullopt;
}

/// A file of one line. Its error number if it cannot be read.
int read_small(const std::string& path, std::string& text) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return errno;
  std::array<char, 1024> buffer;
  const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
  if (got < 0) return errno;
  text.assign(buffer.data(), static_cast<std::size_t>(got));
  return 0;
}

bool works_for_a_vm(std::string_view comm) {
  return comm.starts_with("vhost-") || comm.starts_with("kvm-pit/");
}

}  // namespace

std::optional<ThreadTimes> parse_schedstat(std::string_view text) {
  const auto runtime = take_number(text);
  const auto run_delay = runtime ? take_number(text) : std::nullopt;
  const auto turns = run_delay ? take_number(text) : std::nullopt;
  if (!turns || *turns == 0 || text != "\n") return std::nullopt;
  return ThreadTimes{*runtime, *run_delay, *turns};
}

std::vector<listed_thread> ProcThreads::list(const std::map<std::uint32_t, std::uint64_t>& vms) {
  follow(vms);
  if (round_++ % kRoundsOfKernelThreads == 0) find_kernel_threads();
  const std::uint64_t until = thread_cpu_ns() + kMostNs;
  auto at = processes_.lower_bound(next_);
  for (std::size_t left = processes_.size(); left > 0; --left) {
    if (at == processes_.end()) at = processes_.begin();
    read_process(at->first, at->second);
    ++at;
    if (thread_cpu_ns() >= until) break;
  }
  next_ = at == processes_.end() ? 0 : at->first;
  std::vector<listed_thread> threads;
  for (const auto& [pid, process] : processes_)
    for (const auto& [tid, thread] : process.threads) threads.push_back(thread.listed);
  std::ranges::sort(threads, {}, &listed_thread::tid);
  return threads;
}

void ProcThreads::follow(const std::map<std::uint32_t, std::uint64_t>& vms) {
  std::erase_if(processes_, [&](const auto& known) {
    const auto vm = vms.find(known.first);
    const bool of_kernel = known.second.start == 0;
    return vm == vms.end() ? !of_kernel : vm->second != known.second.start;
  });
  for (const auto& [pid, start] : vms) processes_.try_emplace(pid, Process{.start = start});
}

/// Looks which of the kernel's own threads vhost or KVM made. Each is a process to /proc.
void ProcThreads::find_kernel_threads() {
  const auto children =
      read_file(proc_ / std::to_string(kKthreadd) / "task" / std::to_string(kKthreadd) / "children",
                std::size_t{1} << 20);
  if (!children) return;
  std::set<std::uint32_t> now;
  std::string_view text = *children;
  while (const auto pid = take_number(text)) now.insert(static_cast<std::uint32_t>(*pid));
  std::erase_if(others_, [&](std::uint32_t pid) { return !now.contains(pid); });
  std::erase_if(processes_, [&](const auto& known) {
    return known.second.start == 0 && !now.contains(known.first);
  });
  for (const std::uint32_t pid : now) {
    if (others_.contains(pid) || processes_.contains(pid)) continue;
    std::string comm;
    if (read_small(proc_ / std::to_string(pid) / "comm", comm) != 0) continue;
    if (works_for_a_vm(comm))
      processes_.emplace(pid, Process());
    else
      others_.insert(pid);
  }
}

void ProcThreads::read_process(std::uint32_t pid, Process& process) const {
  const auto tids = ids_in(proc_ / std::to_string(pid) / "task");
  if (!tids) return;
  std::map<std::uint32_t, Thread> before = std::move(process.threads);
  process.threads.clear();
  for (const std::uint32_t tid : *tids) {
    if (auto known = before.extract(tid); !known.empty()) process.threads.insert(std::move(known));
    if (!read_thread(pid, tid, process)) process.threads.erase(tid);
  }
}

/// Returns false if there is no such thread. A read that fails leaves what was known of it.
bool ProcThreads::read_thread(std::uint32_t pid, std::uint32_t tid, Process& process) const {
  std::string text;
  const int error =
      read_small(proc_ / std::to_string(pid) / "task" / std::to_string(tid) / "schedstat", text);
  const auto times = error == 0 ? parse_schedstat(text) : std::nullopt;
  const auto known = process.threads.find(tid);
  if (!times) return !is_gone(error) && known != process.threads.end();
  Thread thread;
  if (known != process.threads.end()) thread = known->second;
  // Where any of them is less than it was, another thread has the id now.
  const bool is_same = thread.turns != 0 && times->turns >= thread.turns &&
                       times->runtime_ns >= thread.listed.runtime_ns &&
                       times->run_delay_ns >= thread.listed.run_delay_ns;
  if (!is_same) {
    const auto who = read_who(pid, tid, process);
    if (!who) return false;
    thread.listed = *who;
  }
  thread.turns = times->turns;
  thread.listed.runtime_ns = times->runtime_ns;
  thread.listed.run_delay_ns = times->run_delay_ns;
  process.threads[tid] = thread;
  return true;
}

std::optional<listed_thread> ProcThreads::read_who(std::uint32_t pid, std::uint32_t tid,
                                                   const Process& process) const {
  static const std::uint64_t tick_ns =
      1'000'000'000 / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  std::string text;
  if (read_small(proc_ / std::to_string(pid) / "task" / std::to_string(tid) / "stat", text) != 0)
    return std::nullopt;
  const auto stat = parse_stat(text);
  if (!stat) return std::nullopt;
  const bool of_kernel = (stat->flags & kKernelThread) != 0;
  const bool of_vhost = stat->comm.starts_with("vhost-") && (stat->flags & kUserWorker) != 0;
  // Another process may have the id by now, of which the exporter does not know yet.
  if (of_kernel != (process.start == 0)) return std::nullopt;
  if (!of_kernel && tid == pid && stat->start_ticks > process.start / tick_ns) return std::nullopt;
  listed_thread who{};
  who.start = stat->start_ticks * tick_ns;
  who.vm_start = process.start;
  who.tid = tid;
  who.tgid = pid;
  who.origin = of_kernel  ? KVMX_THREAD_KERNEL
               : of_vhost ? KVMX_THREAD_VHOST
                          : KVMX_THREAD_OF_PROCESS;
  stat->comm.copy(who.comm, sizeof(who.comm) - 1);
  return who;
}

}  // namespace kvmx
