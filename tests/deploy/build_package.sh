#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build_package.sh PACKAGES [SUITE]: the package of this checkout, and nothing else, into that directory
#
# For this machine's Debian, or as root for SUITE: in a system of that with what the build takes,
# which is made once, in the lab's cache.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
rm -rf "$1"
(($# == 2)) || exec "$ROOT/deploy/debian/build.sh" "$1"

# shellcheck source=../lab/lib.sh
. "$ROOT/tests/lab/lib.sh"
# shellcheck source=../lab/kernels.sh
. "$LAB_DIR/kernels.sh"
# shellcheck source=../lab/trees.sh
. "$LAB_DIR/trees.sh"

# Mounts made from here on are this build's alone, and gone with it.
[[ -n ${KVMX_OWN_MOUNTS:-} ]] || KVMX_OWN_MOUNTS=yes exec unshare --mount --propagation private -- "$0" "$@"
scratch=$(mktemp -d)
trap 'umount -R "$scratch/system" 2>/dev/null; umount "$scratch"; rmdir "$scratch"' EXIT
mount -t tmpfs -o size=4g tmpfs "$scratch"
mkdir "$scratch"/{system,upper,work}
tree=$(tree_dir "$2" build)
mount -t overlay -o "lowerdir=$tree,upperdir=$scratch/upper,workdir=$scratch/work" overlay "$scratch/system"
mount -t proc proc "$scratch/system/proc"
mount --rbind /dev "$scratch/system/dev"

"$ROOT/deploy/debian/build.sh" --source "$scratch/system/build/source"
chroot "$scratch/system" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root \
  sh -c 'cd /build/source && dpkg-buildpackage --build=binary --unsigned-changes'
mkdir -p "$1"
mv "$scratch"/system/build/*.{deb,changes,buildinfo} "$1/"
ls "$1"
