#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build_package.sh [--prebuilt BUILD | --suite SUITE] PACKAGES: the package of this checkout, and nothing
# else, into that directory
#
# For this machine's Debian; with --prebuilt made of what CMake built in BUILD. For SUITE, as root: in a
# system of that with what the build takes, which is made once, in the lab's cache.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
packages=$(realpath -m "${*: -1}")
rm -rf "$packages"
# Debug symbols take longest to pack, and nobody installs those of a test.
[[ $1 != --prebuilt ]] || export DEB_BUILD_OPTIONS=noautodbgsym
[[ $1 == --suite ]] || exec "$ROOT/deploy/debian/build.sh" "$@"

# shellcheck source=system.sh
. "$ROOT/tests/deploy/system.sh"
open_system "$2" build "$0" "$@"
"$ROOT/deploy/debian/build.sh" --source "$scratch/system/build/source"
in_system sh -c 'cd /build/source && dpkg-buildpackage --build=binary --unsigned-changes'
mkdir -p "$packages"
mv "$scratch"/system/build/*.{deb,changes,buildinfo} "$packages/"
ls "$packages"
