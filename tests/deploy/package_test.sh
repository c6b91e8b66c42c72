#!/usr/bin/env bash
# package_test.sh PACKAGES [SUITE]: install, upgrade, remove and purge the package in a clean Debian
#
# As root. The package is in the directory PACKAGES, made on that Debian by deploy/debian/build.sh.
# SUITE is bookworm or trixie, else this machine's own; its clean system is made once, in the lab's
# cache. Services are not started in there.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=system.sh
. "$ROOT/tests/deploy/system.sh"

package=$(realpath "$1"/kvm-exit-exporter_*.deb)
# shellcheck source=/dev/null
suite=${2:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
open_system "$suite" clean "$0" "$@"

# shellcheck source=../checks.sh
. "$ROOT/tests/checks.sh"

# A newer version, for upgrades: the same but for its number.
make_newer() {
  dpkg-deb -R "$package" "$scratch/newer"
  sed -i 's/^Version: .*/&+newer/' "$scratch/newer/DEBIAN/control"
  dpkg-deb --root-owner-group -b "$scratch/newer" "$scratch/system/tmp/newer.deb" >/dev/null
}

# hardened PROGRAM: as Debian hardens its own, whichever way the package was made. A static one has no names
# left of what it calls: e2e/hardening_test.py looks at it before it is stripped.
hardened() {
  local headers symbols
  headers=$(readelf -hldW "$1")
  symbols=$(nm -D "$1")
  grep -qE 'Type: +DYN' <<<"$headers" && grep -q GNU_RELRO <<<"$headers" && grep -qE 'BIND_NOW|\bNOW\b' <<<"$headers" ||
    return
  grep -q NEEDED <<<"$headers" || return 0
  grep -q __stack_chk_fail <<<"$symbols" && grep -qE ' U __[a-z]+_chk(@|$)' <<<"$symbols"
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
dpkg-deb -x "$package" "$scratch/unpacked"
check "the program is hardened" hardened "$scratch/unpacked/usr/bin/kvm_exit_exporter"
check "lintian finds no error" lintian --allow-root --fail-on error "$package"
install_and_remove
verdict
