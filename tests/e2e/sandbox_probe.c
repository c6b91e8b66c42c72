/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into an exporter: what code would do that somebody has brought into it. The first thread
 * of the process and one other each try it once they have been told to by SIGUSR1, where they wait
 * for something (poll), or, with PROBE_AT_WRITE, where the first one prints (fwrite). A line for each
 * on standard error: "probe: WHO WHAT NAME-OF-ERRNO", such as "probe: main open EACCES".
 *
 * PROBE_PORT: a port of this host to connect to. PROBE_PID: a process to signal. PROBE_NO_ITERATORS:
 * so many of the programs that list what exists cannot be attached at first, for want of memory.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int client = -1; /* made while that is allowed */
static atomic_int armed, main_tried, other_tried;

static long number(const char *name) {
  const char *value = getenv(name);
  return value ? strtol(value, NULL, 10) : 0;
}

static long try_open(void) { return open("/etc/shadow", O_RDONLY | O_CLOEXEC); }
static long try_write(void) { return open("/dev/null", O_WRONLY | O_CLOEXEC); }
static long try_create(void) { return open("/tmp/kvmx-probe", O_RDONLY | O_CREAT, 0600); }
static long try_unlink(void) { return unlink("/tmp/kvmx-probe-nowhere"); }
static long try_kill(void) { return kill((pid_t)number("PROBE_PID"), 0); }
static long try_socket(void) { return socket(AF_INET, SOCK_STREAM, 0); }
static long try_bpf(void) { return syscall(SYS_bpf, BPF_MAP_CREATE, NULL, 0); }

static long try_connect(void) {
  struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((in_port_t)number("PROBE_PORT"))};
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return connect(client, (struct sockaddr *)&where, sizeof(where));
}

static long try_signal(void) {
  const pid_t other = (pid_t)number("PROBE_PID");
  return syscall(SYS_tgkill, other, other, 0);
}

static long try_exec(void) {
  char *const nothing[] = {NULL};
  return execve("/nowhere", nothing, nothing);
}

static void try_all(const char *who) {
  static const struct {
    const char *what;
    long (*act)(void);
  } tries[] = {{"open", try_open},     {"write", try_write},   {"create", try_create}, {"unlink", try_unlink},
               {"kill", try_kill},     {"tgkill", try_signal}, {"socket", try_socket}, {"connect", try_connect},
               {"execve", try_exec},   {"bpf", try_bpf}};
  for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); ++i) {
    char line[100];
    errno = 0;
    const char *name = tries[i].act() >= 0 ? "done" : strerrorname_np(errno);
    const int size = snprintf(line, sizeof(line), "probe: %s %s %s\n", who, tries[i].what, name);
    if (write(STDERR_FILENO, line, (size_t)size) != size) return;
  }
}

static void arm(int signal) {
  (void)signal;
  atomic_store(&armed, 1);
}

__attribute__((constructor)) static void set_up(void) {
  const struct sigaction action = {.sa_handler = arm, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &action, NULL);
  client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

int poll(struct pollfd *waited, nfds_t count, int timeout) {
  int (*wait)(struct pollfd *, nfds_t, int);
  *(void **)&wait = dlsym(RTLD_NEXT, "poll");
  const int ready = wait(waited, count, timeout);
  const int error = errno;
  const int is_main = getpid() == gettid();
  if (atomic_load(&armed) && !atomic_exchange(is_main ? &main_tried : &other_tried, 1))
    try_all(is_main ? "main" : "other");
  errno = error;
  return ready;
}

size_t fwrite(const void *text, size_t size, size_t count, FILE *file) {
  size_t (*put)(const void *, size_t, size_t, FILE *);
  *(void **)&put = dlsym(RTLD_NEXT, "fwrite");
  if (file == stdout && getenv("PROBE_AT_WRITE")) try_all("print");
  return put(text, size, count, file);
}

struct bpf_link *bpf_program__attach_iter(const void *program, const void *options) {
  static long tried;
  struct bpf_link *(*attach)(const void *, const void *);
  *(void **)&attach = dlsym(RTLD_NEXT, "bpf_program__attach_iter");
  if (++tried > number("PROBE_NO_ITERATORS")) return attach(program, options);
  errno = ENOMEM;
  return NULL;
}
