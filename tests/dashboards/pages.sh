#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Draws the exporter's own pages, `/` and `/vm`, of a made-up host: light and dark, wide and narrow.
#
#   tests/dashboards/pages.sh DEMO_PAGES [OUT_DIR]
#
# For whoever changes a page; look at every picture. DEMO_PAGES is the program that writes the pages
# (cmake -DKVMX_RENDER=ON, target demo_pages). OUT_DIR is that of render.sh, which has to be run once
# before: it installs the packages. The two of deploy/configuration.md are replaced.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
demo=$(realpath "$1")
out=$(realpath -m "${2:-$ROOT/build/render}")

"$demo" "$out"
cp "$ROOT/tests/dashboards/render/pages.mjs" "$out/page/"
(cd "$out/page" && node pages.mjs "$out" "$out")
mkdir -p "$ROOT/deploy/pictures"
for mode in light dark; do
  pngquant --force --strip --speed=1 32 --output="$ROOT/deploy/pictures/page-$mode.png" "$out/index-$mode-wide.png"
done
