#!/bin/sh
# What selftest.sh runs in an emulated host: is it the host it should be?
# usage: selftest-host.sh ISA SERIES WORDS
isa=$1 series=$2 words=$3 failures=0

check() {
  what=$1
  shift
  "$@" >/dev/null 2>&1 && return
  echo "selftest: $what: failed: $*"
  failures=$((failures + 1))
}

# shellcheck disable=SC2317 # check calls these
reads() { read -r _ <"$1"; }
# shellcheck disable=SC2317
opens() { : <>"$1"; }
# shellcheck disable=SC2317
absent() { ! test -e "$1"; }
# shellcheck disable=SC2317
holds() { [ "$(cat "$1")" = "$2" ]; }
# A switch that 5.10 still had as a number.
# shellcheck disable=SC2317
enabled() { holds "$1" Y || holds "$1" 1; }

check "LAB_ISA" test "$LAB_ISA" = "$isa"
check "LAB_KERNEL" test "$LAB_KERNEL" = "$series"
case $(uname -r) in
  "$series".*) ;;
  *) check "kernel" false "$(uname -r)" ;;
esac
check "quoting of arguments" test "$words" = "it's \"two\" \$words"
check "user" test "$(id -u)" = 0

case $isa in
  svm) module=kvm_amd && check "nested paging" enabled /sys/module/kvm_amd/parameters/npt ;;
  vmx) module=kvm_intel && check "preemption timer" enabled /sys/module/kvm_intel/parameters/preemption_timer ;;
esac
check "kvm" test -d /sys/module/kvm
check "$module" test -d "/sys/module/$module"
check "/dev/kvm" opens /dev/kvm

check "tracefs" reads /sys/kernel/tracing/events/kvm/kvm_exit/id
check "debugfs" test -d /sys/kernel/debug/kvm
check "bpffs" mkdir /sys/fs/bpf/selftest
check "securityfs" test -e /sys/kernel/security/lsm
check "cgroup2" reads /sys/fs/cgroup/cgroup.controllers
check "loopback" holds /sys/class/net/lo/flags 0x9
check "kernel configuration" reads "/boot/config-$(uname -r)"
check "BTF of the kernel" test -s /sys/kernel/btf/vmlinux
case $series in
  # Debian 11 built no BTF for modules: there the exporter must do without.
  5.10) check "no BTF of kvm" absent /sys/kernel/btf/kvm ;;
  *) check "BTF of $module" test -s "/sys/kernel/btf/$module" ;;
esac

echo "on stdout"
echo "on stderr" >&2
echo "again on stdout" >/dev/stdout
echo "$PWD" >"$LAB_OUT/cwd"
mkdir "$LAB_OUT/folder"
head -c 1000000 /dev/zero >"$LAB_OUT/folder/megabyte"
# Left behind on purpose: it must not keep the host from ending.
sleep 1000 &
[ "$failures" = 0 ] && exit 42
exit 1
