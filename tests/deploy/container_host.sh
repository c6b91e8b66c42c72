#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# container_host.sh IMAGE.tar USER GROUP GUEST COMMAND: the image's entry point in an emulated host
#
# Run there by container_test.py, with what `docker run --pid=host --cap-drop=ALL` gives: IMAGE as its
# root, USER, and with --cap-add=SYS_ADMIN that capability in its bounding set.
set -u
image=$1 user=$2 group=$3 guest=$4 command=$5
port=10217
# shellcheck source=host_checks.sh
. "$(dirname "$0")/host_checks.sh"

mkdir /tmp/image && mount -t tmpfs image /tmp/image && tar -x --xattrs --xattrs-include=* -f "$image" -C /tmp/image
mount -t proc proc /tmp/image/proc
mount --rbind /sys /tmp/image/sys
mount -o remount,bind,ro /tmp/image/sys
mount -o remount,ro /tmp/image

# contained CAPABILITIES ARGUMENT...: setpriv is the image's own.
contained() {
  capabilities=$1
  shift
  # shellcheck disable=SC2086 # COMMAND may be several words
  chroot /tmp/image setpriv --bounding-set="-all$capabilities" --inh-caps=-all --reuid="$user" \
    --regid="$group" --clear-groups env -i $command "$@"
}
fields() { grep -E "^($1):" "/proc/$exporter/status"; }
complaints() { grep -E 'level=(warning|error|critical)' /tmp/log; }

check "its version" contained "" --version
contained "" --web.listen-address=127.0.0.1:$port 2>/tmp/log
check "without a capability it says what is missing" grep -q 'level=error.*CAP_SYS_ADMIN' /tmp/log

contained ,+sys_admin --web.listen-address=127.0.0.1:$port 2>/tmp/log &
check "with one it attaches" within 60 shows '^kvm_exporter_probe_attached{probe="kvm_exit"} 1'
exporter=$(pidof kvm_exit_exporter)
check "it is the image's user" [ "$(fields Uid | tr -s '[:space:]' ' ')" = "Uid: $user $user $user $user " ]
check "and holds no capability" within 30 powerless "$exporter"
"$guest" --qemu-name boxed --program cpuid --count 321 >/dev/null
check "a guest's exits are counted exactly" within 10 shows '^kvm_exits_total{vm="boxed",vcpu="0",reason="cpuid"} 321$'
check "it sees itself" shows '^process_open_fds '
check "it complains of nothing $(complaints)" [ -z "$(complaints)" ]
kill "$exporter"
wait
verdict
