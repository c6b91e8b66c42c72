// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <thread>
#include <vector>

#include "exporter/base/file.h"
#include "exporter/base/unique_fd.h"
#include "exporter/sandbox/capabilities.h"
#include "exporter/sandbox/landlock.h"
#include "exporter/sandbox/seccomp.h"

namespace kvmx {
namespace {

/// Runs `works` in a process of its own that has restricted itself; whether it returned true.
bool holds_in_sandbox(const std::function<bool()>& works, Audience audience = Audience::clients) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(restrict_system_calls(audience) && works() ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// Whether a call that returned `result` has been refused by the filter.
bool refused(long result) { return result == -1 && errno == EPERM; }

TEST(Sandbox, AllowsReadingAndServing) {
  EXPECT_TRUE(holds_in_sandbox([] { return static_cast<bool>(read_file("/proc/self/stat")); }));
  int pair[2] = {-1, -1};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
  EXPECT_TRUE(holds_in_sandbox([&] { return ::send(pair[0], "x", 1, 0) == 1; }));
  EXPECT_TRUE(holds_in_sandbox([&] {
    return ::fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0 && ::fcntl(pair[0], F_GETFL) >= 0;
  }));
  EXPECT_TRUE(holds_in_sandbox([] { return ::write(STDERR_FILENO, "", 0) == 0; }));
  EXPECT_TRUE(holds_in_sandbox([] {
    bool ran = false;
    std::thread([&ran] { ran = true; }).join();
    return ran;
  }));
}

TEST(Sandbox, OfATerminalSetsItBackAndHasNoSockets) {
  const UniqueFd master(::posix_openpt(O_RDWR | O_NOCTTY));
  ASSERT_TRUE(master && ::grantpt(master.get()) == 0 && ::unlockpt(master.get()) == 0);
  const UniqueFd terminal(::open(::ptsname(master.get()), O_RDWR | O_NOCTTY));
  ASSERT_TRUE(terminal);
  const auto holds = [](const std::function<bool()>& works) {
    return holds_in_sandbox(works, Audience::terminal);
  };
  EXPECT_TRUE(holds([&] {
    termios settings{};
    winsize size{};
    return ::tcgetattr(terminal.get(), &settings) == 0 &&
           ::tcsetattr(terminal.get(), TCSAFLUSH, &settings) == 0 &&
           ::ioctl(terminal.get(), TIOCGWINSZ, &size) == 0;
  }));
  EXPECT_TRUE(holds([] {
    sigset_t none;
    sigemptyset(&none);
    return UniqueFd(::signalfd(-1, &none, SFD_CLOEXEC)) && ::poll(nullptr, 0, 0) == 0;
  }));
  EXPECT_TRUE(holds([] { return static_cast<bool>(read_file("/proc/self/stat")); }));
  EXPECT_TRUE(holds([&] {
    char key = 'x';
    return refused(::ioctl(terminal.get(), TIOCSTI, &key));
  }));
  EXPECT_TRUE(holds([] { return refused(::socket(AF_INET, SOCK_STREAM, 0)); }));
  EXPECT_TRUE(holds([] { return refused(::accept(0, nullptr, nullptr)); }));
  EXPECT_TRUE(holds([] { return refused(::open("/dev/null", O_WRONLY)); }));
  EXPECT_TRUE(holds([] { return refused(::execl("/bin/true", "true", nullptr)); }));
}

TEST(Sandbox, RefusesEverythingElse) {
  EXPECT_TRUE(holds_in_sandbox([] { return refused(::open("/dev/null", O_WRONLY)); }));
  EXPECT_TRUE(holds_in_sandbox([] { return refused(::open("/dev/null", O_RDWR)); }));
  EXPECT_TRUE(holds_in_sandbox([] { return refused(::open("/tmp/x", O_RDONLY | O_CREAT, 0600)); }));
  EXPECT_TRUE(holds_in_sandbox([] { return refused(::execl("/bin/true", "true", nullptr)); }));
  EXPECT_TRUE(holds_in_sandbox([] { return refused(::fork()); }));
  EXPECT_TRUE(holds_in_sandbox([] { return refused(::kill(::getppid(), 0)); }));
  EXPECT_TRUE(
      holds_in_sandbox([] { return refused(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr)); }));
  EXPECT_TRUE(holds_in_sandbox([] { return refused(::socket(AF_PACKET, SOCK_RAW, 0)); }));
  EXPECT_TRUE(holds_in_sandbox([] { return refused(::socket(AF_INET, SOCK_STREAM, 0)); }));
  EXPECT_TRUE(holds_in_sandbox([] { return refused(::unlink("/nowhere")); }));
  EXPECT_TRUE(holds_in_sandbox([] { return refused(::rmdir("/nowhere")); }));
  EXPECT_TRUE(
      holds_in_sandbox([] { return refused(::syscall(SYS_bpf, 5 /* BPF_PROG_LOAD */, 0, 0)); }));
  EXPECT_TRUE(holds_in_sandbox([] {
    const rlimit limit{0, 0};
    return refused(::setrlimit(RLIMIT_CORE, &limit));
  }));
  EXPECT_TRUE(holds_in_sandbox([] {
    return ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
               MAP_FAILED &&
           errno == EPERM;
  }));
}

/// What would reach other processes of this process's user.
TEST(Sandbox, ReachesNobodyElse) {
  int pair[2] = {-1, -1};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
  const int internet = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in discard{};
  discard.sin_family = AF_INET;
  discard.sin_port = 9;
  const auto* where = reinterpret_cast<const sockaddr*>(&discard);
  EXPECT_TRUE(
      holds_in_sandbox([&] { return refused(::connect(internet, where, sizeof(discard))); }));
  EXPECT_TRUE(holds_in_sandbox([&] { return refused(::bind(internet, where, sizeof(discard))); }));
  EXPECT_TRUE(holds_in_sandbox(
      [&] { return refused(::sendto(internet, "", 0, 0, where, sizeof(discard))); }));
  EXPECT_TRUE(holds_in_sandbox([&] {
    msghdr message{};
    return refused(::sendmsg(pair[0], &message, 0));
  }));
  const pid_t other = ::getppid();
  EXPECT_TRUE(holds_in_sandbox([&] { return refused(::syscall(SYS_tgkill, other, other, 0)); }));
  EXPECT_TRUE(
      holds_in_sandbox([] { return ::syscall(SYS_tgkill, ::getpid(), ::gettid(), 0) == 0; }));
  EXPECT_TRUE(holds_in_sandbox([&] { return refused(::fcntl(pair[0], F_SETOWN, other)); }));
  EXPECT_TRUE(holds_in_sandbox([&] { return refused(::fcntl(pair[0], F_SETSIG, 9)); }));
  EXPECT_TRUE(holds_in_sandbox([&] { return refused(::fcntl(pair[0], F_SETFL, O_ASYNC)); }));
  for (const int fd : {pair[0], pair[1], internet}) ::close(fd);
}

/// Runs `works` in a process of its own that may read `readable` only.
bool holds_with_files(const std::vector<std::filesystem::path>& readable,
                      const std::function<bool()>& works) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(restrict_files(readable) && works() ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(Landlock, LeavesOnlyWhatIsReadable) {
  if (landlock_version() == 0) GTEST_SKIP() << "this kernel has no Landlock";
  const auto opens = [](const char* path, int flags) { return ::open(path, flags) >= 0; };
  EXPECT_TRUE(holds_with_files({"/proc"}, [&] { return opens("/proc/self/stat", O_RDONLY); }));
  EXPECT_FALSE(holds_with_files({"/proc"}, [&] { return opens("/etc/passwd", O_RDONLY); }));
  EXPECT_TRUE(
      holds_with_files({"/proc", "/etc/passwd"}, [&] { return opens("/etc/passwd", O_RDONLY); }));
  EXPECT_FALSE(
      holds_with_files({"/etc", "/nowhere"}, [&] { return opens("/proc/uptime", O_RDONLY); }));
  EXPECT_FALSE(holds_with_files({"/dev"}, [&] { return opens("/dev/null", O_WRONLY); }));
  EXPECT_FALSE(
      holds_with_files({"/tmp"}, [&] { return ::mkdir("/tmp/kvmx-landlock", 0700) == 0; }));
}

TEST(Landlock, ConnectsToNoPort) {
  if (landlock_version() < 4) GTEST_SKIP() << "this kernel's Landlock knows no TCP";
  EXPECT_TRUE(holds_with_files({"/proc"}, [] {
    const int client = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(9);
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::connect(client, reinterpret_cast<const sockaddr*>(&where), sizeof(where)) < 0 &&
           errno == EACCES;
  }));
}

TEST(Landlock, SignalsNobodyOutside) {
  if (landlock_version() < 6) GTEST_SKIP() << "this kernel's Landlock knows no signals";
  const pid_t other = ::getpid();
  EXPECT_TRUE(holds_with_files({"/proc"}, [&] { return refused(::kill(other, 0)); }));
  EXPECT_TRUE(holds_with_files({"/proc"}, [] { return ::kill(::getpid(), 0) == 0; }));
}

TEST(Landlock, ReadablePathsHoldTheDirectoriesOfFiles) {
  const auto paths = readable_paths({"/etc/kvm-exit-exporter/web.yml", "/etc/web.yml"});
  const auto has = [&](const char* path) { return std::ranges::count(paths, path) > 0; };
  EXPECT_TRUE(has("/proc"));
  EXPECT_TRUE(has("/etc/kvm-exit-exporter"));
  EXPECT_TRUE(has("/etc/web.yml"));
  EXPECT_FALSE(has("/etc"));
}

TEST(Sandbox, RestrictsThreadsThatExist) {
  EXPECT_TRUE(holds_in_sandbox([] { return true; }));
  const pid_t child = ::fork();
  if (child == 0) {
    int stage[2], result[2];
    if (::pipe(stage) != 0 || ::pipe(result) != 0) ::_exit(2);
    std::thread([&] {
      char go = 0;
      if (::read(stage[0], &go, 1) != 1) ::_exit(2);
      const char seen = refused(::open("/dev/null", O_WRONLY)) ? 1 : 0;
      if (::write(result[1], &seen, 1) != 1) ::_exit(2);
    }).detach();
    char seen = 0;
    const bool restricted = static_cast<bool>(restrict_system_calls(Audience::clients));
    if (!restricted || ::write(stage[1], "g", 1) != 1 || ::read(result[0], &seen, 1) != 1)
      ::_exit(2);
    ::_exit(seen == 1 ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Sandbox, DropsCapabilitiesOfOneThread) {
  bool empty = false;
  Result<std::string> kept = Error{};
  std::thread([&] {
    kept = drop_capabilities();
    cap_t left = cap_get_proc();
    cap_t none = cap_init();
    empty = cap_compare(left, none) == 0;
    cap_free(left);
    cap_free(none);
  }).join();
  ASSERT_TRUE(kept);
  // An old kernel leaves CAP_BPF, if the tests had it.
  EXPECT_EQ(empty, kept->empty());
}

}  // namespace
}  // namespace kvmx
