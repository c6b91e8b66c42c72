#!/usr/bin/env bash
# fetch.sh: fetch what the lab needs beforehand
#
# usage: tests/lab/fetch.sh [--refresh] [KERNEL...]
#
# Downloads the Debian kernels (default: 5.10 6.1 6.12 7.2), QEMU 10 and Debian's newest
# Prometheus into the lab's cache. Whoever uses one of them does the same on its first run.
#
#   --refresh  take each archive's newest package, even if one is cached
#
# Cache: $KVMX_LAB_CACHE, else $XDG_CACHE_HOME/kvm-exit-exporter-lab, else
# ~/.cache/kvm-exit-exporter-lab. Deleting it is always safe.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=kernels.sh
. "$LAB_DIR/kernels.sh"

refresh=
series=()
while (($#)); do
  case $1 in
    --help | -h) usage "$0" && exit ;;
    --refresh) refresh=yes ;;
    -*) die "unknown option $1; see --help" ;;
    *) need_series "$1" && series+=("$1") ;;
  esac
  shift
done
((${#series[@]})) || series=("${LAB_SERIES[@]}")

# A running lab may hold these open; do this between runs.
[[ -z $refresh ]] || rm -rf "$LAB_CACHE/qemu/$QEMU_SUITE" "$LAB_CACHE/prometheus" "${series[@]/#/$LAB_CACHE/kernels-$KERNEL_LAYOUT/}"
for name in "${series[@]}"; do
  dir=$(kernel_dir "$name")
  printf '%s: %s\n' "$name" "$(tr '\n' ' ' <"$dir/packages")"
done
dir=$(qemu_dir)
printf 'qemu: %s\n' "$(tr '\n' ' ' <"$dir/packages")"
dir=$(prometheus_dir)
printf 'prometheus: %s\n' "$(tr '\n' ' ' <"$dir/packages")"
