#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# service_test.sh PACKAGES GUEST [KERNEL]: the package's service under a systemd that runs
#
# As root: installs the package, made in the directory PACKAGES for this machine's Debian, into a
# clean system, boots that in an emulated AMD host, Linux 6.1 or KERNEL, and looks at the service
# there: service_host.sh.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=../lab/lib.sh
. "$ROOT/tests/lab/lib.sh"
# shellcheck source=../lab/kernels.sh
. "$LAB_DIR/kernels.sh"
# shellcheck source=../lab/trees.sh
. "$LAB_DIR/trees.sh"

package=$(realpath "$1"/kvm-exit-exporter_*.deb) guest=$(realpath "$2") kernel=${3:-6.1}
# shellcheck source=/dev/null
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp -a "$(tree_dir "$suite" clean)/." "$scratch/"
cp "$package" "$scratch/tmp/package.deb"
tree_apt "$scratch" install /tmp/package.deb
# A web configuration of nothing: what it says is changed there.
: >"$scratch/etc/web.yml"
args="--web.config.file=/etc/web.yml --vm.linger=1h"
# Linux 5.10 cannot pin what it is given.
[[ $kernel == 5.10 ]] || args+=" --bpf.pin-dir=/run/kvm-exit-exporter"
printf 'ARGS="%s"\n' "$args" >"$scratch/etc/default/kvm-exit-exporter"
"$LAB_DIR/amd.sh" --kernel "$kernel" --smp 2 --timeout 500 --system "$scratch" -- \
  sh "/machine$ROOT/tests/deploy/service_host.sh" "/machine$guest"
