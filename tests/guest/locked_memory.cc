// SPDX-License-Identifier: Apache-2.0
#include "locked_memory.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

namespace kvmx::tricks {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kFile = 2;  // the directory's number is FUSE's own, 1
constexpr std::size_t kPage = 4096;

/// The file system: a directory with one file, whatever its name.
class Fuse {
 public:
  explicit Fuse(int device) : device_(device) {}

  /// Until the device is closed.
  void serve() {
    while (::read(device_, request_.data(), request_.size()) >= 0) answer_one();
  }

  [[nodiscard]] bool is_read_from() const { return read_ != 0; }

  /// Ends the read that waits, with an error.
  void let_go() { answer(read_, -EIO, nullptr, 0); }

 private:
  void answer_one() {
    fuse_in_header header;
    std::memcpy(&header, request_.data(), sizeof(header));
    fuse_attr attributes{};
    attributes.ino = header.opcode == FUSE_LOOKUP ? kFile : header.nodeid;
    attributes.mode = attributes.ino == kFile ? S_IFREG | 0600 : S_IFDIR | 0700;
    attributes.size = kPage;
    attributes.nlink = 1;
    constexpr std::uint64_t kValid = 3600;
    const fuse_init_out init{.major = 7, .minor = 31};
    const fuse_attr_out about{.attr_valid = kValid, .attr = attributes};
    const fuse_entry_out entry{
        .nodeid = kFile, .entry_valid = kValid, .attr_valid = kValid, .attr = attributes};
    const fuse_open_out open{.fh = 1};
    switch (header.opcode) {
      case FUSE_INIT:
        return answer(header.unique, 0, &init, sizeof(init));
      case FUSE_GETATTR:
        return answer(header.unique, 0, &about, sizeof(about));
      case FUSE_LOOKUP:
        return answer(header.unique, 0, &entry, sizeof(entry));
      case FUSE_OPEN:
        return answer(header.unique, 0, &open, sizeof(open));
      case FUSE_READ:
        read_ = header.unique;
        return;
      default:
        return answer(header.unique, -ENOSYS, nullptr, 0);
    }
  }

  void answer(std::uint64_t unique, int error, const void* data, std::size_t size) const {
    std::array<char, 256> reply;
    const fuse_out_header header{static_cast<std::uint32_t>(sizeof(header) + size), error, unique};
    std::memcpy(reply.data(), &header, sizeof(header));
    if (size != 0) std::memcpy(reply.data() + sizeof(header), data, size);
    [[maybe_unused]] const ssize_t written = ::write(device_, reply.data(), header.len);
  }

  int device_;
  std::array<char, 1U << 18U> request_;
  std::atomic<std::uint64_t> read_ = 0;
};

bool failed(const char* what) {
  std::perror(what);
  return false;
}

/// The file's page in memory; null if anything fails.
void* map_file(Fuse& fuse, int device) {
  std::string place = "/tmp/kvmx-tricks-XXXXXX";
  if (::unshare(CLONE_NEWNS) != 0 ||
      ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 || !::mkdtemp(place.data()))
    return nullptr;
  const std::string options =
      "fd=" + std::to_string(device) + ",rootmode=40000,user_id=0,group_id=0";
  const int mounted = ::mount("kvmx-tricks", place.c_str(), "fuse", 0, options.c_str());
  if (mounted != 0) return nullptr;
  std::thread([&fuse] { fuse.serve(); }).detach();
  const int file = ::open((place + "/file").c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return nullptr;
  void* const page = ::mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, file, 0);
  // The mapping keeps both; a file still open at the end would want an answer then.
  ::close(file);
  ::umount2(place.c_str(), MNT_DETACH);
  ::rmdir(place.c_str());
  return page == MAP_FAILED ? nullptr : page;
}

}  // namespace

bool with_locked_memory(const std::function<void()>& act) {
  const int device = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (device < 0) return failed("/dev/fuse");
  static Fuse fuse(device);
  void* const page = map_file(fuse, device);
  if (!page) return failed("a file system of its own");
  // Started before there is a lock: a thread's stack is mapped under it.
  std::atomic<bool> is_read = false;
  std::thread writer([&is_read] {
    is_read.wait(false);
    ::mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  });
  // The kernel reads the page for this one, and has the lock meanwhile ...
  std::thread reader([page] {
    char byte = 0;
    const int memory = ::open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    [[maybe_unused]] const ssize_t got =
        ::pread(memory, &byte, 1, static_cast<off_t>(reinterpret_cast<std::uintptr_t>(page)));
  });
  while (!fuse.is_read_from()) std::this_thread::sleep_for(10ms);
  // ... and the other one waits for it, so that nobody else gets it any more.
  is_read = true;
  is_read.notify_one();
  act();
  fuse.let_go();
  reader.join();
  writer.join();
  return true;
}

}  // namespace kvmx::tricks
