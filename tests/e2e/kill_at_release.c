/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into an exporter: SIGKILL where it would offer a slot that it has wiped, that is, enter
 * it into the queue of free slots. Those that it enters at its start, KILL_AT_RELEASE of them, it
 * may.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/types.h>
#include <signal.h>
#include <stdlib.h>

int bpf_map_update_elem(int map, const void *key, const void *value, __u64 flags) {
  static long offered;
  int (*update)(int, const void *, const void *, __u64);
  *(void **)&update = dlsym(RTLD_NEXT, "bpf_map_update_elem");
  const char *allowed = getenv("KILL_AT_RELEASE");
  const int is_queue = key == NULL; /* it has no keys */
  if (is_queue && allowed && ++offered > strtol(allowed, NULL, 10)) raise(SIGKILL);
  return update(map, key, value, flags);
}
