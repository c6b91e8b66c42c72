# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# Checks of an exporter in an emulated host. Sourced, by POSIX sh; $port is its port on loopback.

# shellcheck source=../checks.sh
. "$(dirname "$0")/../checks.sh"

# within SECONDS COMMAND...: until it succeeds.
within() {
  left=$1
  shift
  until "$@"; do
    left=$((left - 1))
    [ $left -gt 0 ] || return 1
    sleep 1
  done
}

page() { busybox wget -q -O - "http://127.0.0.1:${port:?}/metrics"; }
shows() { page 2>/dev/null | grep -q "$1"; }

# holds_only PID MASK: of all capability sets but the bounding one, of every thread, each is empty or
# MASK, 16 hexadecimal digits.
holds_only() {
  [ -d "/proc/$1/task" ] &&
    ! grep -hE '^Cap(Inh|Prm|Eff|Amb):' "/proc/$1"/task/*/status | grep -qvE "(0000000000000000|$2)\$"
}
powerless() { holds_only "$1" 0000000000000000; }
