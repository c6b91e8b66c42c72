// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <thread>

#include "exporter/base/file.h"
#include "exporter/sandbox/capabilities.h"
#include "exporter/sandbox/seccomp.h"

namespace kvmx {
namespace {

/// Runs `works` in a process of its own that has restricted itself; whether it returned true.
bool holds_in_sandbox(const std::function<bool()>& works) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(restrict_system_calls() && works() ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// Whether a call that returned `result` has been refused by the filter.
bool refused(long result) { return result == -1 && errno == EPERM; }

TEST(Sandbox, AllowsReadingAndServing) {
  EXPECT_TRUE(holds_in_sandbox([] { return static_cast<bool>(read_file("/proc/self/stat")); }));
  EXPECT_TRUE(holds_in_sandbox([] { return ::socket(AF_INET, SOCK_STREAM, 0) >= 0; }));
  EXPECT_TRUE(holds_in_sandbox([] { return ::socket(AF_UNIX, SOCK_DGRAM, 0) >= 0; }));
  EXPECT_TRUE(holds_in_sandbox([] { return ::write(STDERR_FILENO, "", 0) == 0; }));
  EXPECT_TRUE(holds_in_sandbox([] {
    bool ran = false;
    std::thread([&ran] { ran = true; }).join();
    return ran;
  }));
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
    const bool restricted = static_cast<bool>(restrict_system_calls());
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
