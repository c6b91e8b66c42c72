#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# races.sh BUILD GUEST: builds the exporter with ThreadSanitizer in BUILD, and races_test.py with it
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$here/../..
# shellcheck source=../../deploy/packages.sh
. "$ROOT/deploy/packages.sh"
build "$1" -DKVMX_SANITIZE=thread -DKVMX_TESTS=OFF -- kvm_exit_exporter
exec "$ROOT/tests/lab/amd.sh" --kernel 6.1 --smp 2 --timeout 400 -- \
  env PYTHONDONTWRITEBYTECODE=1 python3 "$here/races_test.py" "$1/exporter/kvm_exit_exporter" "$2"
