#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# service_test.sh PACKAGES GUEST [KERNEL]: the package's service under a systemd that runs
#
# As root: installs the package in the directory PACKAGES, a .deb for this machine's Debian or an
# .rpm, into a clean system, boots that in an emulated AMD host, Linux 6.1 or KERNEL, and looks at the
# service there: service_host.sh.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=../lab/lib.sh
. "$ROOT/tests/lab/lib.sh"
# shellcheck source=../lab/kernels.sh
. "$LAB_DIR/kernels.sh"
# shellcheck source=../lab/trees.sh
. "$LAB_DIR/trees.sh"

package=$(realpath "$1"/kvm-exit-exporter[_-]*.[dr][ep][bm]) guest=$(realpath "$2") kernel=${3:-6.1}
[[ -f $package ]] || die "there is no package in $1, or more than one"
# shellcheck source=/dev/null
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp -a "$(tree_dir "$suite" clean)/." "$scratch/"
if [[ $package == *.deb ]]; then
  cp "$package" "$scratch/tmp/package.deb"
  tree_apt "$scratch" install /tmp/package.deb
else
  # What RPM's own distributions have as packages is here, too.
  rpm --force-debian --root "$scratch" --nodeps -i "$package"
  # Their presets enable it, or whoever runs the host does.
  SYSTEMD_OFFLINE=1 chroot "$scratch" systemctl --quiet enable kvm-exit-exporter
fi
# A web configuration of nothing: what it says is changed there.
: >"$scratch/etc/web.yml"
args="--web.config.file=/etc/web.yml --vm.linger=1h"
# Linux 5.10 cannot pin what it is given.
[[ $kernel == 5.10 ]] || args+=" --bpf.pin-dir=/run/kvm-exit-exporter"
printf 'ARGS="%s"\n' "$args" >"$scratch/etc/default/kvm-exit-exporter"
"$LAB_DIR/amd.sh" --kernel "$kernel" --smp 2 --timeout 500 --system "$scratch" -- \
  sh "/machine$ROOT/tests/deploy/service_host.sh" "/machine$guest" "${package##*.}"
