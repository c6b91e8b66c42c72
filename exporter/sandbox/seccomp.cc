// SPDX-License-Identifier: Apache-2.0
#include "exporter/sandbox/seccomp.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <type_traits>

namespace kvmx {
namespace {

struct FilterRelease {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<std::remove_pointer_t<scmp_filter_ctx>, FilterRelease>;

/// Adds rules until one cannot be added, and remembers that one.
class Rules {
 public:
  explicit Rules(scmp_filter_ctx filter) : filter_(filter) {}

  void allow(std::initializer_list<int> calls) {
    for (const int call : calls) add(SCMP_ACT_ALLOW, call, {});
  }

  /// The call with one of these values as its argument number `argument`.
  void allow_values(int call, unsigned argument, std::initializer_list<scmp_datum_t> values) {
    for (const scmp_datum_t value : values)
      add(SCMP_ACT_ALLOW, call, {scmp_arg_cmp{argument, SCMP_CMP_EQ, value, 0}});
  }

  /// The call if its argument number `argument`, as far as `mask` goes, is `value`.
  void allow_masked(int call, unsigned argument, scmp_datum_t mask, scmp_datum_t value) {
    add(SCMP_ACT_ALLOW, call, {scmp_arg_cmp{argument, SCMP_CMP_MASKED_EQ, mask, value}});
  }

  /// fcntl() and its like with `command`, if none of these `refused` flags is set.
  void allow_flags(int call, scmp_datum_t command, scmp_datum_t refused) {
    add(SCMP_ACT_ALLOW, call,
        {scmp_arg_cmp{1, SCMP_CMP_EQ, command, 0},
         scmp_arg_cmp{2, SCMP_CMP_MASKED_EQ, refused, 0}});
  }

  void refuse(int call, unsigned error_number) { add(SCMP_ACT_ERRNO(error_number), call, {}); }

  [[nodiscard]] Result<void> result() const {
    return error_ == 0 ? Result<void>() : errno_error("make the system call filter", error_);
  }

 private:
  void add(std::uint32_t action, int call, std::initializer_list<scmp_arg_cmp> comparisons) {
    if (error_ != 0) return;
    error_ = -seccomp_rule_add_array(
        filter_, action, call, static_cast<unsigned>(comparisons.size()), comparisons.begin());
  }

  scmp_filter_ctx filter_;
  int error_ = 0;
};

/// Memory, threads, clocks, signals, and the end.
void allow_runtime(Rules& rules) {
  rules.allow({
      SCMP_SYS(brk),           SCMP_SYS(munmap),          SCMP_SYS(mremap),
      SCMP_SYS(madvise),       SCMP_SYS(futex),           SCMP_SYS(set_robust_list),
      SCMP_SYS(rseq),          SCMP_SYS(membarrier),      SCMP_SYS(sched_yield),
      SCMP_SYS(gettid),        SCMP_SYS(getpid),          SCMP_SYS(getuid),
      SCMP_SYS(geteuid),       SCMP_SYS(getgid),          SCMP_SYS(getegid),
      SCMP_SYS(getrandom),     SCMP_SYS(uname),           SCMP_SYS(sysinfo),
      SCMP_SYS(getrlimit),     SCMP_SYS(getrusage),       SCMP_SYS(sched_getaffinity),
      SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres),    SCMP_SYS(clock_nanosleep),
      SCMP_SYS(nanosleep),     SCMP_SYS(gettimeofday),    SCMP_SYS(time),
      SCMP_SYS(rt_sigaction),  SCMP_SYS(rt_sigprocmask),  SCMP_SYS(rt_sigreturn),
      SCMP_SYS(sigaltstack),   SCMP_SYS(restart_syscall), SCMP_SYS(exit),
      SCMP_SYS(exit_group),
  });
  // abort() signals this process, and nothing else is signalled.
  rules.allow_values(SCMP_SYS(tgkill), 0, {static_cast<scmp_datum_t>(::getpid())});
  // No memory can be made executable.
  rules.allow_masked(SCMP_SYS(mmap), 2, PROT_EXEC, 0);
  rules.allow_masked(SCMP_SYS(mprotect), 2, PROT_EXEC, 0);
  // Threads, not processes. clone3 is refused by the other filter.
  rules.allow_masked(SCMP_SYS(clone), 0, CLONE_THREAD, CLONE_THREAD);
  rules.allow({SCMP_SYS(clone3)});
  rules.allow_values(SCMP_SYS(prctl), 0, {PR_SET_NAME});
  // Limits are read, not set.
  rules.allow_values(SCMP_SYS(prlimit64), 2, {0});
}

/// Files to be read: /proc, /sys, the web configuration and its certificates.
void allow_files(Rules& rules) {
  rules.allow({
      SCMP_SYS(read),       SCMP_SYS(readv),    SCMP_SYS(pread64), SCMP_SYS(write),
      SCMP_SYS(writev),     SCMP_SYS(close),    SCMP_SYS(fstat),   SCMP_SYS(newfstatat),
      SCMP_SYS(stat),       SCMP_SYS(lstat),    SCMP_SYS(statx),   SCMP_SYS(access),
      SCMP_SYS(faccessat),  SCMP_SYS(lseek),    SCMP_SYS(getcwd),  SCMP_SYS(getdents64),
      SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(statfs),  SCMP_SYS(readlinkat),
      SCMP_SYS(fstatfs),
  });
  constexpr scmp_datum_t kWriting = O_ACCMODE | O_CREAT | O_TRUNC;
  rules.allow_masked(SCMP_SYS(openat), 2, kWriting, O_RDONLY);
  rules.allow_masked(SCMP_SYS(open), 1, kWriting, O_RDONLY);
  // Neither leases nor signals to others when something happens to a descriptor (F_SETOWN).
  rules.allow_values(SCMP_SYS(fcntl), 1, {F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC});
  rules.allow_flags(SCMP_SYS(fcntl), F_SETFL, O_ASYNC);
}

/// The web server accepts connections on sockets that are open, and answers; so does the way to the
/// service manager exist already. No socket is made, connected or bound, and nothing is sent to an
/// address that the sender chooses.
void allow_network(Rules& rules) {
  rules.allow({
      SCMP_SYS(accept),
      SCMP_SYS(accept4),
      SCMP_SYS(shutdown),
      SCMP_SYS(recvfrom),
      SCMP_SYS(getsockname),
      SCMP_SYS(getpeername),
      SCMP_SYS(getsockopt),
      SCMP_SYS(setsockopt),
      SCMP_SYS(poll),
      SCMP_SYS(ppoll),
      SCMP_SYS(select),
      SCMP_SYS(pselect6),
      SCMP_SYS(epoll_wait),
      SCMP_SYS(epoll_pwait),
      SCMP_SYS(epoll_ctl),
  });
  rules.allow_values(SCMP_SYS(sendto), 4, {0});
  rules.allow_values(SCMP_SYS(ioctl), 1, {FIONBIO, FIONREAD, TCGETS});
}

/// Keys are read, pictures drawn, and the terminal is set back in the end.
void allow_terminal(Rules& rules) {
  rules.allow({SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(signalfd4)});
  rules.allow_values(SCMP_SYS(ioctl), 1, {TCGETS, TCSETS, TCSETSW, TCSETSF, TIOCGWINSZ});
}

/// Maps and links that are open already; making new ones is over, and so is pinning.
void allow_bpf(Rules& rules) {
  rules.allow_values(SCMP_SYS(bpf), 0,
                     {BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM,
                      BPF_MAP_LOOKUP_AND_DELETE_ELEM, BPF_MAP_GET_NEXT_KEY, BPF_OBJ_GET_INFO_BY_FD,
                      BPF_ITER_CREATE});
  // How a classic tracepoint is let go of.
  rules.allow_values(SCMP_SYS(ioctl), 1, {PERF_EVENT_IOC_DISABLE});
}

/// Loads the filter that `add_rules` makes of one which answers all calls with `action`: for all
/// threads, and with no_new_privs, which spares CAP_SYS_ADMIN. `attributes` are set besides.
template <typename AddRules>
Result<void> load_filter(std::uint32_t action, std::initializer_list<scmp_filter_attr> attributes,
                         AddRules add_rules) {
  const Filter filter(seccomp_init(action));
  if (!filter) return errno_error("make the system call filter", ENOMEM);
  int error = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
  for (const scmp_filter_attr attribute : attributes)
    if (error == 0) error = seccomp_attr_set(filter.get(), attribute, 1);
  if (error != 0) return errno_error("make the system call filter", -error);
  Rules rules(filter.get());
  add_rules(rules);
  if (Result<void> made = rules.result(); !made) return made;
  if (error = seccomp_load(filter.get()); error != 0)
    return errno_error("load the system call filter", -error);
  return {};
}

}  // namespace

Result<void> restrict_system_calls(Audience audience) {
  // clone3 hides its flags from a filter. libc tries it for each thread that it makes, and takes
  // clone where there is none. A filter of its own, because what the other one refuses is written
  // to the kernel's log. Of two filters' answers the stricter one holds.
  Result<void> loaded =
      load_filter(SCMP_ACT_ALLOW, {}, [](Rules& rules) { rules.refuse(SCMP_SYS(clone3), ENOSYS); });
  if (!loaded) return loaded;
  return load_filter(SCMP_ACT_ERRNO(EPERM), {SCMP_FLTATR_CTL_LOG}, [audience](Rules& rules) {
    allow_runtime(rules);
    allow_files(rules);
    audience == Audience::clients ? allow_network(rules) : allow_terminal(rules);
    allow_bpf(rules);
  });
}

}  // namespace kvmx
