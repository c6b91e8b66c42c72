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
#include <fstream>
#include <functional>
#include <string>
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

TEST(Sandbox, HasLibcMakeThreadsByCloneWhoseFlagsCanBeSeen) {
  EXPECT_TRUE(
      holds_in_sandbox([] { return ::syscall(SYS_clone3, nullptr, 0) == -1 && errno == ENOSYS; }));
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
  EXPECT_TRUE(holds_in_sandbox([&] {
    const f_owner_ex owner{F_OWNER_PID, other};
    return refused(::fcntl(pair[0], F_SETOWN_EX, &owner));
  }));
  EXPECT_TRUE(holds_in_sandbox([&] { return refused(::ioctl(pair[0], FIOSETOWN, &other)); }));
  EXPECT_TRUE(holds_in_sandbox([&] {
    const int on = 1;
    return refused(::ioctl(pair[0], FIOASYNC, &on));
  }));
  for (const int fd : {pair[0], pair[1], internet}) ::close(fd);
}

/// What would have the kernel signal on behalf of this process.
TEST(Sandbox, TakesNoNoticeOfWhatOthersDoWithFiles) {
  const UniqueFd file(::memfd_create("leased", MFD_CLOEXEC));
  ASSERT_TRUE(file);
  const UniqueFd directory(::open("/tmp", O_RDONLY | O_DIRECTORY));
  EXPECT_TRUE(holds_in_sandbox([&] { return refused(::fcntl(file.get(), F_SETLEASE, F_RDLCK)); }));
  EXPECT_TRUE(
      holds_in_sandbox([&] { return refused(::fcntl(directory.get(), F_NOTIFY, DN_CREATE)); }));
  EXPECT_TRUE(holds_in_sandbox([&] { return refused(::fcntl(file.get(), F_DUPFD, 0)); }));
}

/// Runs `works` in a process of its own that may read `readable` only.
bool holds_with_files(const std::vector<std::filesystem::path>& readable,
                      const std::function<bool()>& works, const std::vector<UniqueFd>& also = {}) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(restrict_files(readable, also) && works() ? 0 : 1);
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

bool has(const ReadablePaths& readable, const std::filesystem::path& path) {
  return std::ranges::count(readable.paths, path) > 0;
}

TEST(Landlock, ReadablePathsHoldTheDirectoriesOfThisProgram) {
  const auto readable = readable_paths({"/etc/kvm-exit-exporter/web.yml", "/etc/web.yml"});
  EXPECT_TRUE(has(readable, "/proc"));
  EXPECT_TRUE(has(readable, "/etc/kvm-exit-exporter"));
  EXPECT_TRUE(has(readable, "/etc/web.yml"));
  EXPECT_FALSE(has(readable, "/etc"));
}

/// A directory that goes with the test.
class FilesOfLandlock : public testing::Test {
 protected:
  FilesOfLandlock() {
    std::string name = testing::TempDir() + "kvmx-landlock-XXXXXX";
    directory_ = ::mkdtemp(name.data());
  }
  ~FilesOfLandlock() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path write(const std::filesystem::path& name, const std::string& text) {
    const std::filesystem::path path = directory_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path;
  }

  /// Whether a process that is given these files reads `file` as `text` after `change`, which is
  /// made while it runs and by somebody else.
  static bool reads_after(const std::vector<std::filesystem::path>& files,
                          const std::filesystem::path& file, const std::string& text,
                          const std::function<void()>& change) {
    int stage[2] = {-1, -1}, restricted[2] = {-1, -1};
    if (::pipe(stage) != 0 || ::pipe(restricted) != 0) return false;
    const pid_t child = ::fork();
    if (child == 0) {
      char go = 0;
      const bool done = restrict_files(readable_paths(files).paths) &&
                        ::write(restricted[1], "r", 1) == 1 && ::read(stage[0], &go, 1) == 1;
      const Result<std::string> read = read_file(file);
      ::_exit(done && read && *read == text ? 0 : 1);
    }
    char ready = 0;
    if (::read(restricted[0], &ready, 1) == 1) change();
    if (::write(stage[1], "g", 1) != 1) return false;
    int status = 0;
    ::waitpid(child, &status, 0);
    for (const int fd : {stage[0], stage[1], restricted[0], restricted[1]}) ::close(fd);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

  std::filesystem::path directory_;
};

TEST_F(FilesOfLandlock, OfAHomeOnlyTheFileIsReadable) {
  const auto config = write("web.yml", "old");
  for (const char* other : {".ssh/id_rsa", ".netrc", "work/secret"}) {
    const auto secret = write(other, "secret");
    const auto readable = readable_paths({config});
    EXPECT_TRUE(has(readable, config)) << other;
    EXPECT_FALSE(has(readable, directory_)) << other;
    EXPECT_EQ(readable.fixed, std::vector({config})) << other;
    if (landlock_version() != 0) {
      EXPECT_FALSE(reads_after({config}, secret, "secret", [] {})) << other;
      EXPECT_TRUE(reads_after({config}, config, "new", [&] { write("web.yml", "new"); })) << other;
      write("web.yml", "old");
    }
    std::filesystem::remove_all(directory_ / std::filesystem::path(other).begin()->string());
  }
}

/// The name may lead to a file system that does not answer by the time the sandbox is entered.
TEST_F(FilesOfLandlock, WhatWasOpenedIsReadableWhateverItsNameIsNow) {
  if (landlock_version() == 0) GTEST_SKIP() << "this kernel has no Landlock";
  const auto config = write("config/web.yml", "text");
  const std::vector<UniqueFd> opened = open_paths({config.parent_path(), directory_ / "nowhere"});
  EXPECT_EQ(opened.size(), 1);
  std::filesystem::rename(directory_ / "config", directory_ / "moved");
  const auto reads = [&] { return bool(read_file(directory_ / "moved/web.yml")); };
  EXPECT_TRUE(holds_with_files({}, reads, opened));
  EXPECT_FALSE(holds_with_files({}, reads));
}

TEST_F(FilesOfLandlock, AFileInADirectoryOfFilesIsReadAfterItWasReplaced) {
  const auto config = write("web.yml", "old");
  write(".web.yml.swp", "an editor's");
  write("server.key", "key");
  EXPECT_TRUE(readable_paths({config}).fixed.empty());
  EXPECT_TRUE(reads_after({config}, config, "new",
                          [&] { std::filesystem::rename(write("web.yml.new", "new"), config); }));
}

/// A volume of Kubernetes: all its files change at once, by one link.
TEST_F(FilesOfLandlock, AVolumeIsReadAfterItChanged) {
  namespace fs = std::filesystem;
  write("..2025_01/web.yml", "old");
  fs::create_directory_symlink("..2025_01", directory_ / "..data");
  const auto config = directory_ / "web.yml";
  fs::create_symlink("..data/web.yml", config);
  EXPECT_TRUE(readable_paths({config}).fixed.empty());
  EXPECT_TRUE(reads_after({config}, config, "new", [&] {
    write("..2025_02/web.yml", "new");
    fs::create_directory_symlink("..2025_02", directory_ / "..data_tmp");
    fs::rename(directory_ / "..data_tmp", directory_ / "..data");
    fs::remove_all(directory_ / "..2025_01");
  }));
}

/// As certbot has them: live/NAME/*.pem are links to archive/NAME/*N.pem.
TEST_F(FilesOfLandlock, ALinkIsReadAfterItLeadsToANewFile) {
  namespace fs = std::filesystem;
  write("archive/host/key1.pem", "old");
  fs::create_directories(directory_ / "live/host");
  const auto key = directory_ / "live/host/key.pem";
  fs::create_symlink("../../archive/host/key1.pem", key);
  EXPECT_TRUE(reads_after({key}, key, "new", [&] {
    write("archive/host/key2.pem", "new");
    fs::remove(key);
    fs::create_symlink("../../archive/host/key2.pem", key);
  }));
  EXPECT_FALSE(has(readable_paths({key}), directory_));
}

/// A directory is what it is called only if that is no link's name.
TEST_F(FilesOfLandlock, ALinkOfThisProgramsNameOpensNoHome) {
  namespace fs = std::filesystem;
  write("bob/.netrc", "secret");
  write("bob/web.yml", "old");
  fs::create_directory_symlink("bob", directory_ / "kvm-exit-exporter");
  const auto readable = readable_paths({directory_ / "kvm-exit-exporter/web.yml"});
  EXPECT_FALSE(has(readable, directory_ / "bob"));
  EXPECT_FALSE(has(readable, directory_ / "kvm-exit-exporter"));
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
