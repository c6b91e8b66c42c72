# shellcheck shell=sh
# Shared by the init scripts of both emulated hosts. Runs in there, under busybox.

fail() {
  echo "lab: $*" >/dev/console
  poweroff -f
  # PID 1 must not return while the power goes off.
  sleep 60
}

# load LIST: insmod what initramfs.sh listed there, in its order.
load() {
  while read -r module; do
    # Lists overlap, and 5.10 wants a module twice that is there already.
    [ -d "/sys/module/$(echo "${module%.ko}" | tr - _)" ] || insmod "/modules/$module" ||
      fail "cannot load $module"
  done <"/modules/$1"
}

# mount_kernel_trees ROOT: what a booted Debian has mounted.
mount_kernel_trees() {
  mkdir -p "$1/dev/pts" "$1/dev/shm" "$1/run"
  mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts "$1/dev/pts"
  mount -t tmpfs -o mode=1777 tmpfs "$1/dev/shm"
  mount -t tmpfs -o mode=755 tmpfs "$1/run"
  mount -t tracefs tracefs "$1/sys/kernel/tracing"
  mount -t debugfs debugfs "$1/sys/kernel/debug"
  mount -t bpf bpf "$1/sys/fs/bpf"
  mount -t securityfs securityfs "$1/sys/kernel/security"
  mount -t cgroup2 cgroup2 "$1/sys/fs/cgroup"
  ln -sf /proc/self/fd "$1/dev/fd"
  ln -sf /proc/self/fd/0 "$1/dev/stdin"
  ln -sf /proc/self/fd/1 "$1/dev/stdout"
  ln -sf /proc/self/fd/2 "$1/dev/stderr"
  ip link set lo up
}

# kernel_state: how the kernel is tainted, without modules that are not its own
# (1 << 12, 1 << 13), and how often it has warned.
kernel_state() {
  echo "$(($(cat /proc/sys/kernel/tainted) & ~12288)) $(dmesg | grep -cE 'WARNING: |BUG: |run-time allocation')"
}

# run_command PORT: run /lab-run/command with its output going to PORT, and leave
# its status in $status: a failure, too, if the kernel has warned. Through a pipe, since a port is opened only once while
# programs may open /dev/stdout again.
run_command() {
  mkfifo /run/lab-output
  cat /run/lab-output >"$1" &
  copier=$!
  before=$(kernel_state)
  /bin/sh /lab-run/command </dev/null >/run/lab-output 2>&1
  # shellcheck disable=SC2034 # the caller's
  status=$?
  if [ "$(kernel_state)" != "$before" ]; then
    echo "lab: the kernel has warned, or is tainted: $before before, $(kernel_state) now" >/dev/console
    dmesg | grep -E -A 20 'WARNING: |BUG: |run-time allocation' >/dev/console
    [ "$status" != 0 ] || status=1
  fi
  # The output ends with its last writer. None may be left behind, or we would
  # wait for it for ever.
  for process in /proc/[0-9]*; do
    process=${process#/proc/}
    [ "$process" = 1 ] || [ "$process" = $$ ] || [ "$process" = "$copier" ] || kill -KILL "$process" 2>/dev/null
  done
  wait "$copier"
}
