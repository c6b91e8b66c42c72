#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# rpm_test.sh BUILD: the RPM of what CMake built there, installed, upgraded and removed
#
# As root. By rpm --root in a clean system with systemd and shadow's tools, Debian's, of which no RPM knows.
# Services are not started in there.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=system.sh
. "$ROOT/tests/deploy/system.sh"

# shellcheck source=/dev/null
open_system "$(. /etc/os-release && echo "$VERSION_CODENAME")" clean "$0" "$@"
# shellcheck source=../checks.sh
. "$ROOT/tests/checks.sh"
need rpmbuild rpm
all_there || exit 1

build=$(realpath "$1") system=$scratch/system user=kvm-exit-exporter
unit=/usr/lib/systemd/system/kvm-exit-exporter.service
enabled=$system/etc/systemd/system/multi-user.target.wants/kvm-exit-exporter.service
package() { echo "$scratch/packages/kvm-exit-exporter-"*"-$1.x86_64.rpm"; }
# What a package of RPM's own distributions would require is here, but not as packages.
in_rpm() { rpm --force-debian --root "$system" "$@"; }
change() { in_rpm --nodeps "$@"; }

for release in 1 2; do
  check "it builds, release $release" "$ROOT/deploy/rpm/build.sh" --release $release --prebuilt "$build" "$scratch/packages"
done
asks() { rpm -qp "$@" "$(package 1)"; }
# rpmlib(...): features of rpm itself. 4.14, of RHEL 8, has these.
needed=$(asks -R | grep -vE '^rpmlib\((CompressedFileNames|FileDigests|PayloadFilesHavePrefix|PayloadIsXz)\)' | sort -u | tr '\n' ' ')
check "it needs what every distribution has: $needed" \
  [ "$needed" = "/bin/sh /usr/sbin/groupadd /usr/sbin/useradd systemd " ]
outsiders() { asks --qf '[%{FILEMODES:perms} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILENAMES}\n]' | sed -E '/^[-d]rw(xr-xr-x|-r--r--) root root \//d'; }
check_nothing "all of it is root's, and only root may write it" outsiders
shared() {
  asks -l --noartifact | sed -E '
    \,^/usr/(bin|lib/(systemd/system(-generators)?|sysusers\.d|tmpfiles\.d))/,d
    \,^/usr/share/(man/man8|bash-completion/completions|zsh/site-functions)/,d
    \,^/(usr/share/(doc/)?kvm-exit-exporter(/|$)|etc/default/),d'
}
check_nothing "it owns no directory of others" shared
plain_sh() { asks --scripts | sed 's/^.*scriptlet (using .*//' | shellcheck -s sh -; }
check "scriptlets are for any sh" plain_sh

check "rpm installs it" change -i "$(package 1)"
check "rpm finds every file as it was packed" in_rpm -V --nodeps $user
check "the exporter runs" in_system kvm_exit_exporter --version
has_user() { in_system getent passwd $user | grep ':/:/sbin/nologin$'; }
check "it has a user of its own, who cannot log in" has_user
check "a preset may enable the service; Debian's does" test -L "$enabled"
check "the unit is well-formed" in_system systemd-analyze verify --man=no $unit
check "flags are configuration" [ "$(asks -c)" = /etc/default/kvm-exit-exporter ]

echo 'ARGS="--log.level=debug"' >"$system/etc/default/kvm-exit-exporter"
uid=$(in_system id -u $user)
rm "$enabled"
check "rpm upgrades it" change -U "$(package 2)"
check "an upgrade keeps the flags" grep -q debug "$system/etc/default/kvm-exit-exporter"
check "... and the user" [ "$(in_system id -u $user)" = "$uid" ]
check "... and a service disabled" test ! -e "$enabled"
check "rpm takes the older one back" change -U --oldpackage "$(package 1)"
check "one package is installed" [ "$(in_rpm -q $user | wc -l)" = 1 ]

in_system systemctl --quiet enable kvm-exit-exporter
mkdir -p "$system/sys/fs/bpf/kvm-exit-exporter/pins"
check "rpm removes it" change -e $user
check "the service is disabled" test ! -L "$enabled"
check "nothing is pinned" test ! -e "$system/sys/fs/bpf/kvm-exit-exporter"
check "changed flags are kept beside" grep -q debug "$system/etc/default/kvm-exit-exporter.rpmsave"
left=$(cd "$system" && find . -xdev -regex '\./\(proc\|dev\|tmp\|var\)' -prune -o -iname '*kvm[-_]exit*' ! -name '*.rpmsave' -print)
check "nothing else is left of it $left" test -z "$left"
verdict
