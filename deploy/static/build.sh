#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh: the exporter as one file for any x86-64 Linux, and a tarball of all that belongs to it
#
# usage: deploy/static/build.sh [--prebuilt BUILD] OUT
#
# Into the directory OUT:
#   kvm_exit_exporter                       the program, which needs no other file
#   kvm-exit-exporter-VERSION-x86_64.tar.gz with unit, manual, completions, rules, dashboards, runbooks, licences
#   kvm-exit-exporter-VERSION.spdx.json     what is linked into it: a bill of materials, SPDX 2.3
#   SHA256SUMS                              of these
#
# On Debian 12, with what deploy/packages.sh lists. The same commit gives the same bytes, with the same
# versions of Debian's packages; $SOURCE_DATE_EPOCH is the commit's date unless it is set.
#
#   --prebuilt BUILD  pack what CMake and ninja built of this checkout in that directory
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=common.sh
. "$ROOT/deploy/static/common.sh"

prebuilt=''
if [[ ${1:-} == --prebuilt && $# == 3 ]]; then
  prebuilt=$(realpath "$2")
  shift 2
fi
[[ $# == 1 && $1 != -* ]] || { sed -n '3,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0" >&2 && exit 2; }
out=$(realpath -m "$1")

build_static
name=kvm-exit-exporter-$version
tree=$scratch/$name-x86_64
stage "$tree"

# pack TREE: sorted, of root, and without directories, so that unpacked to / it changes nobody else's.
pack() {
  find "$1" ! -type d -printf '%P\0' | sort -z |
    tar -c -C "$1" --no-recursion --transform "s,^,${1##*/}/,S" --mtime "@$SOURCE_DATE_EPOCH" \
      --owner root:0 --group root:0 --null -T - | gzip -9n
}

mkdir -p "$out"
rm -f "$out"/{kvm_exit_exporter,kvm-exit-exporter-*,SHA256SUMS}
pack "$tree" >"$out/$name-x86_64.tar.gz"
cp "$tree/usr/bin/kvm_exit_exporter" "$out/"
cp "$tree/usr/share/doc/kvm-exit-exporter/sbom.spdx.json" "$out/$name.spdx.json"
(cd "$out" && sha256sum kvm_exit_exporter kvm-exit-exporter-* >SHA256SUMS && cat SHA256SUMS)
