#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh: an RPM with the static program, the same for RHEL, openEuler and SUSE
#
# usage: deploy/rpm/build.sh [--release N] [--prebuilt BUILD] OUT
#
# The .rpm goes to OUT. On Debian 12, with the package rpm and what deploy/static/build.sh needs.
#
#   --release N       instead of 1: an upgrade within a version takes a higher one
#   --prebuilt BUILD  pack what CMake and ninja built of this checkout in that directory
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=../static/common.sh
. "$ROOT/deploy/static/common.sh"

release=1 prebuilt=''
while (($# > 1)); do
  case $1 in
    --release) release=$2 ;;
    --prebuilt) prebuilt=$(realpath "$2") ;;
    *) break ;;
  esac
  shift 2
done
[[ $# == 1 && $1 != -* ]] || { sed -n '3,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0" >&2 && exit 2; }
out=$(realpath -m "$1")
command -v rpmbuild >/dev/null || die "there is no rpmbuild: apt-get install rpm"

build_static
stage "$scratch/tree"
install -D -m 644 "$ROOT/deploy/debian/kvm-exit-exporter.default" "$scratch/tree/etc/default/kvm-exit-exporter"

mkdir -p "$out"
rpmbuild -bb --quiet --target x86_64 --define "_topdir $scratch/rpmbuild" --define "_rpmdir $out" \
  --define "_rpmfilename %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm" --define "tree $scratch/tree" \
  --define "kvmx_version $version" --define "kvmx_release $release" "$ROOT/deploy/rpm/kvm-exit-exporter.spec"
ls "$out"
