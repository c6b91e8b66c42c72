#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# package_source_test.sh PREBUILT PACKAGES: the package as users build it is the one that is tested
#
# Builds the package from source into the directory PACKAGES, and compares it with the one in PREBUILT,
# which build.sh --prebuilt made: the same files, the same dependencies, a program of the same flags.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=../checks.sh
. "$ROOT/tests/checks.sh"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$ROOT/tests/deploy/build_package.sh" "$2"
for made in prebuilt:$1 source:$2; do
  package=$(realpath "${made#*:}"/kvm-exit-exporter_*.deb)
  out=$scratch/${made%%:*}
  mkdir "$out"
  dpkg-deb --fsys-tarfile "$package" | tar -tv | awk '{print $1, $2, $6}' >"$out/files"
  dpkg-deb -f "$package" Package Version Architecture Depends Recommends Suggests >"$out/fields"
  dpkg-deb -x "$package" "$out/root"
  # Paths of sources differ, and with them a few bytes of text: sections and what they need do not.
  readelf -SW "$out/root/usr/bin/kvm_exit_exporter" | awk '/\] \./ {print $2}' >"$out/sections"
  nm -D --undefined-only "$out/root/usr/bin/kvm_exit_exporter" >"$out/symbols"
done
for what in files fields sections symbols; do
  check "the same $what" diff "$scratch/prebuilt/$what" "$scratch/source/$what"
done
verdict
