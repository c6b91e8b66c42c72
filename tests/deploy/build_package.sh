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

# shellcheck source=system.sh
. "$ROOT/tests/deploy/system.sh"
open_system "$2" build "$0" "$@"
"$ROOT/deploy/debian/build.sh" --source "$scratch/system/build/source"
in_system sh -c 'cd /build/source && dpkg-buildpackage --build=binary --unsigned-changes'
mkdir -p "$1"
mv "$scratch"/system/build/*.{deb,changes,buildinfo} "$1/"
ls "$1"
