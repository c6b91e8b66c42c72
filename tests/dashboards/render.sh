#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Draws the dashboards, with Grafana's own components, from a Prometheus that holds a made-up fleet:
#
#   tests/dashboards/render.sh [OUT_DIR]
#
# For whoever changes a dashboard; look at every picture. OUT_DIR (default: build/render) gets all
# pictures, dark and light, and keeps npm's packages (700 MB) and the fleet's history. Those of
# dashboards/README.md are replaced. Five to ten minutes, the second time two. As root it
# installs what is missing.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=../../deploy/packages.sh
. "$ROOT/deploy/packages.sh"

install_packages "${TEST_PACKAGES[@]}" "${RENDER_PACKAGES[@]}"
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$ROOT/tests/dashboards/render/render.py" "$(realpath -m "${1:-$ROOT/build/render}")"
