#!/usr/bin/env bash
# package_test.sh PACKAGES [SUITE]: install, upgrade, remove and purge the package in a clean Debian
#
# As root. The package is in the directory PACKAGES, made on that Debian by deploy/debian/build.sh.
# SUITE is bookworm or trixie, else this machine's own; its clean system is made once, in the lab's
# cache. Services are not started in there.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=../lab/lib.sh
. "$ROOT/tests/lab/lib.sh"
# shellcheck source=../lab/kernels.sh
. "$LAB_DIR/kernels.sh"
# shellcheck source=../lab/trees.sh
. "$LAB_DIR/trees.sh"

package=$(realpath "$1"/kvm-exit-exporter_*.deb)
# shellcheck source=/dev/null
suite=${2:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
failures=0
check() {
  local sentence=$1
  shift
  if "$@"; then echo "ok: $sentence"; else echo "FAILED: $sentence" && failures=$((failures + 1)); fi
}

# Mounts made from here on are this test's alone, and gone with it.
[[ -n ${KVMX_OWN_MOUNTS:-} ]] || KVMX_OWN_MOUNTS=yes exec unshare --mount --propagation private -- "$0" "$@"
scratch=$(mktemp -d)
trap 'umount -R "$scratch/system" 2>/dev/null; umount "$scratch" 2>/dev/null; rmdir "$scratch"' EXIT
mount -t tmpfs -o size=3g tmpfs "$scratch"
mkdir "$scratch"/{system,upper,work}

# open_system PURPOSE: a system of SUITE at $scratch/system; what is changed there is forgotten.
open_system() {
  local tree
  tree=$(tree_dir "$suite" "$1")
  mount -t overlay -o "lowerdir=$tree,upperdir=$scratch/upper,workdir=$scratch/work" overlay "$scratch/system"
  mount -t proc proc "$scratch/system/proc"
  mount --rbind /dev "$scratch/system/dev"
}

in_system() { chroot "$scratch/system" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root "$@"; }

# A newer version, for upgrades: the same but for its number.
make_newer() {
  dpkg-deb -R "$package" "$scratch/newer"
  sed -i 's/^Version: .*/&+newer/' "$scratch/newer/DEBIAN/control"
  dpkg-deb --root-owner-group -b "$scratch/newer" "$scratch/system/tmp/newer.deb" >/dev/null
}

# leavings: files of the exporter, but for apt's and the log's own notes.
leavings() {
  (cd "$scratch/system" &&
    find . -xdev -regex '\./\(proc\|dev\|tmp\|var/cache\|var/log\)' -prune -o -iname '*kvm[-_]exit*' -print)
}

install_and_remove() {
  local left
  cp "$package" "$scratch/system/tmp/package.deb"
  make_newer
  check "apt installs it and what it depends on" tree_apt "$scratch/system" install /tmp/package.deb
  check "the exporter runs" in_system kvm_exit_exporter --version
  check "every library is there" in_system sh -c '! ldd /usr/bin/kvm_exit_exporter | grep "not found"'
  check "manual and completions" in_system sh -c 'cd /usr/share && ls man/man8/kvm_exit_exporter.8.gz bash-completion/completions/kvm_exit_exporter zsh/vendor-completions/_kvm_exit_exporter'
  check "rules, dashboards, runbooks" in_system sh -c 'cd /usr/share/kvm-exit-exporter && ls rules/kvm-recording.yml dashboards/kvm-fleet.json runbooks/KvmTimerStorm.md'
  check "the service is enabled" in_system test -L /etc/systemd/system/multi-user.target.wants/kvm-exit-exporter.service
  check "it has a user of its own" in_system getent passwd kvm-exit-exporter
  check "the unit is well-formed" in_system systemd-analyze verify --man=no /lib/systemd/system/kvm-exit-exporter.service
  echo 'ARGS="--log.level=debug"' >"$scratch/system/etc/default/kvm-exit-exporter"
  check "apt upgrades it" tree_apt "$scratch/system" install /tmp/newer.deb
  check "an upgrade keeps the flags" grep -q debug "$scratch/system/etc/default/kvm-exit-exporter"
  check "apt takes the older one back" tree_apt "$scratch/system" install --allow-downgrades /tmp/package.deb
  check "apt removes it" tree_apt "$scratch/system" remove kvm-exit-exporter
  check "and leaves the flags" grep -q debug "$scratch/system/etc/default/kvm-exit-exporter"
  check "apt purges it" tree_apt "$scratch/system" purge kvm-exit-exporter
  left=$(leavings)
  check "nothing is left of it $left" test -z "$left"
}

require_packages lintian
check "lintian finds no error" lintian --allow-root --fail-on error "$package"
open_system clean
install_and_remove
echo "$failures failed"
((failures == 0))
