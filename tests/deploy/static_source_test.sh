#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# static_source_test.sh PACKAGES: the static program, built once more in another directory, is the same
#
# Builds this checkout in a directory of another name, and compares it, to the byte, with what
# deploy/static/build.sh left in PACKAGES. The RPM, too, is the same each time.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=../checks.sh
. "$ROOT/tests/checks.sh"
packages=$(realpath "$1")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# What a clone has, and what is not committed yet; its revision is this one's.
copy=$scratch/another/directory
mkdir -p "$copy"
(cd "$ROOT" && git ls-files -z --cached --others --exclude-standard | xargs -0 tar -c --ignore-failed-read) |
  tar -x -C "$copy"
GIT_DIR=$(git -C "$ROOT" rev-parse --absolute-git-dir)
export GIT_DIR
check "it builds elsewhere" "$copy/deploy/static/build.sh" "$scratch/packages"
for file in "$packages"/*; do
  check "the same $(basename "$file")" cmp "$file" "$scratch/packages/$(basename "$file")"
done
for time in first second; do
  check "an RPM, the $time time" "$copy/deploy/rpm/build.sh" --prebuilt "$copy/build/static" "$scratch/$time"
done
check "they are the same" cmp "$scratch"/{first,second}/kvm-exit-exporter-*.rpm
verdict
