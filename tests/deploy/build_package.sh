#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build_package.sh PACKAGES: the package of this checkout, and nothing else, into that directory
set -euo pipefail
rm -rf "$1"
exec "$(dirname "$0")/../../deploy/debian/build.sh" "$1"
