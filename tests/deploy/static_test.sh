#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# static_test.sh PACKAGES: what deploy/static/build.sh left in that directory
#
# As root. That the program counts where nothing else is, e2e/static_test.py tells.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=../checks.sh
. "$ROOT/tests/checks.sh"

cd "$1"
program=kvm_exit_exporter
tarball=$(echo kvm-exit-exporter-*-x86_64.tar.gz)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

check "the checksums hold" sha256sum --check --quiet SHA256SUMS
needs_nothing() { ! readelf -ldW "$program" | grep -E 'NEEDED|RPATH|RUNPATH|INTERP|interpreter'; }
check "no library and no loader is needed" needs_nothing
without_paths() { ! grep -aoE "($ROOT|$HOME)/[[:print:]]*" "$program"; }
check "no path of this machine is in it" without_paths
mkdir "$scratch/empty"
cp "$program" "$scratch/empty/"
says_version() { chroot "$scratch/empty" /kvm_exit_exporter --version | grep "kvm_exit_exporter, version"; }
check "it runs in a root with nothing else, not even /proc" says_version

# A directory in it would give its mode to the one that is there.
foreign() { tar -tvf "$tarball" --numeric-owner | awk '$1 !~ /^-rw(-r--r--|xr-xr-x)$/ || $2 != "0/0"'; }
check_nothing "the tarball has files alone, root's, which only root may write" foreign
tar -xf "$tarball" -C "$scratch" --strip-components 1
doc=$scratch/usr/share/doc/kvm-exit-exporter
sums_hold() { (cd "$scratch" && sha256sum --check --quiet "$doc/SHA256SUMS"); }
check "its own checksums hold" sums_hold
check "the same program is in it" cmp "$program" "$scratch/usr/bin/kvm_exit_exporter"
all_is_there() {
  cd "$scratch/usr" && ls lib/systemd/system/kvm-exit-exporter.service lib/sysusers.d/kvm-exit-exporter.conf \
    lib/tmpfiles.d/kvm-exit-exporter.conf share/man/man8/kvm_exit_exporter.8 \
    share/bash-completion/completions/kvm_exit_exporter share/zsh/site-functions/_kvm_exit_exporter \
    share/kvm-exit-exporter/{rules/kvm-recording.yml,dashboards/kvm-fleet.json,runbooks/KvmTimerStorm.md} \
    share/kvm-exit-exporter/more-capabilities.conf lib/systemd/system-generators/kvm-exit-exporter-capabilities \
    share/doc/kvm-exit-exporter/{README.md,deploy/README.md,deploy/static/README.md}
}
check "unit, user, manual, completions, rules, dashboards, runbooks, pages are in it" all_is_there
check "the bill of materials and the licences are of what is linked" \
  python3 "$ROOT/tests/deploy/sbom_check.py" "$doc/sbom.spdx.json" "$doc/licenses" "$program"
check "and the same bill is beside it" cmp "$doc/sbom.spdx.json" kvm-exit-exporter-*.spdx.json
verdict
