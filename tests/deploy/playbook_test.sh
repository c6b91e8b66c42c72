#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# playbook_test.sh PACKAGES: the Ansible playbook, run twice under a systemd that runs
#
# As root: in an emulated AMD host, which installs the package, made in the directory PACKAGES, upon
# itself. The first run must end with a service that counts and pins, the second must change nothing
# but the package that it brings and takes away. Some eleven minutes.
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
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp -a "$(tree_dir "$suite" clean)/." "$scratch/"
cp "$package" "$scratch/root/package.deb"
# The host has no network: what the package depends on is there, and apt's lists look fresh.
tree_apt "$scratch" install /root/package.deb ansible-core python3-apt
tree_apt "$scratch" purge kvm-exit-exporter
rm -f "$scratch/usr/sbin/policy-rc.d"
install -D /dev/null "$scratch/var/lib/apt/periodic/update-success-stamp"

cat >"$scratch/root/play.sh" <<EOF
set -eu
export HOME=/root LC_ALL=C.UTF-8
for run in first second; do
  ansible-playbook -i localhost, -c local /machine$ROOT/deploy/ansible/kvm-exit-exporter.yml \\
    -e package=/root/package.deb | tee "/root/\$run"
done
systemctl is-active kvm-exit-exporter
ls /sys/fs/bpf/kvm-exit-exporter
grep -q 'changed=2 .*failed=0' /root/second || { echo "FAILED: the second run is not without changes"; exit 1; }
EOF
"$LAB_DIR/amd.sh" --kernel 6.1 --smp 2 --timeout 1100 --system "$scratch" -- bash /root/play.sh
