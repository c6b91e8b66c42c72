#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What is checked about the dashboards without drawing them (tests/dashboards/render.sh does that):
#
#   tests/dashboards/run.sh [OUT_DIR]
#
# OUT_DIR keeps npm's packages (26 MB) and what is generated; default: build/dashboards. Never skips:
# what it needs is said and makes it fail.
set -u
export PYTHONDONTWRITEBYTECODE=1

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=${1:-$root/build/dashboards}
arguments=("$root/dashboards" "$root/deploy/prometheus/rules" "$root/tests/golden/metrics.txt")
# shellcheck source=../checks.sh
. "$here/../checks.sh"

need promtool prometheus
need python3 python3
need node nodejs
need npm npm
all_there || exit 1
mkdir -p "$out/json" "$out/npm"

generated() {
  rm -f "$out"/json/*
  python3 "$root/dashboards/source/generate.py" "$out/json" || return
  diff -r --exclude=source --exclude=pictures --exclude=README.md "$out/json" "$root/dashboards" ||
    { echo "The source says something else: run python3 dashboards/source/generate.py" && return 1; }
}

packages() { # once, and again when the lock file changes
  cmp -s "$here/package-lock.json" "$out/npm/installed" && return
  cp "$here/package.json" "$here/package-lock.json" "$out/npm/" &&
    (cd "$out/npm" && npm ci --ignore-scripts --no-audit --no-fund --prefer-offline) &&
    cp "$here/package-lock.json" "$out/npm/installed"
}

schema() {
  python3 "$here/typed.py" "$root"/dashboards/*.json >"$out/npm/dashboards.ts" &&
    (cd "$out/npm" && node_modules/.bin/tsc --noEmit --strict --skipLibCheck --target es2022 \
      --module nodenext --moduleResolution nodenext dashboards.ts)
}

pictures() {
  (cd "$root/dashboards" && sha256sum --check --quiet pictures/drawn-from) ||
    { echo "The pictures are of other dashboards: run tests/dashboards/render.sh" && return 1; }
}

check "generated from source" generated
check "practice, metrics, alerts" python3 "$here/check.py" "${arguments[@]}"
check "mutants" python3 "$here/mutants.py" "${arguments[@]}"
check "npm packages" packages
check "Grafana's schema" schema
check "pictures are of these dashboards" pictures

verdict
