#!/usr/bin/env bash
# npm.sh: npm packages that tests need, in the lab's cache
#
# usage: tests/lab/npm.sh DIR
#
# Prints the directory whose node_modules is what package-lock.json of DIR says. Nothing of a
# package is run to install it.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

fetch_packages() {
  local scratch=$1 from=$2
  say "fetching npm packages for $from"
  cp "$from/package.json" "$from/package-lock.json" "$scratch/"
  (cd "$scratch" && npm ci --ignore-scripts --legacy-peer-deps --no-audit --no-fund --loglevel=error >&2) ||
    die "npm could not fetch what $from/package-lock.json lists; check the network and try again"
}

[[ $# == 1 && $1 != -* ]] || { usage "$0" && exit 2; }
# Debian's npm would pull in 300 packages; other sources' Node.js brings its own.
command -v npm >/dev/null || require_packages nodejs npm
key=$(cat "$1/package.json" "$1/package-lock.json" | sha256sum)
dir=$LAB_CACHE/npm/${key:0:16}
build_once "$dir" fetch_packages "$1"
printf '%s\n' "$dir"
