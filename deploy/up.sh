#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# up.sh: from a fresh Debian 12 to a served metric
#
# usage: deploy/up.sh [--demo] [EXPORTER FLAG...]
#
# Installs what is missing, builds, and runs the exporter in the foreground; Ctrl-C ends it. Flags
# go to the exporter: see --help. With --demo a small guest storms this machine with timer
# interrupts meanwhile, so that there is something to see.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=packages.sh
. "$ROOT/deploy/packages.sh"

demo=
if [[ ${1:-} == --demo ]]; then
  demo=yes
  shift
fi
if [[ ${1:-} == --help || ${1:-} == -h ]]; then
  sed -n '3,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0"
  exit
fi

address=:10177 path=/metrics arguments=("$@")
while (($#)); do
  case $1 in
    --web.listen-address=*) address=${1#*=} ;;
    --web.listen-address) address=${2:-} ;;
    --web.telemetry-path=*) path=${1#*=} ;;
    --web.telemetry-path) path=${2:-} ;;
  esac
  shift
done
[[ $address == :* ]] && url=http://localhost$address$path || url=http://$address$path

if [[ -r /etc/os-release ]]; then
  # shellcheck source=/dev/null
  . /etc/os-release
  [[ ${ID:-} == debian ]] || echo "This is ${PRETTY_NAME:-no Debian}: package names may differ." >&2
fi
if ((EUID != 0)); then
  echo "BPF and package installation need root: run this with sudo." >&2
  exit 1
fi

install_packages "${BUILD_PACKAGES[@]}"
echo "Building"
if [[ $demo ]]; then
  build "$ROOT/build/up" -DKVMX_TESTS=GUEST
else
  build "$ROOT/build/up" -DKVMX_TESTS=OFF
fi

exporter_pid='' guest_pid=''
clean_up() {
  [[ -z $guest_pid ]] || kill "$guest_pid" 2>/dev/null || true
  [[ -z $exporter_pid ]] || kill "$exporter_pid" 2>/dev/null || true
  wait
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

"$ROOT/build/up/exporter/kvm_exit_exporter" "${arguments[@]}" &
exporter_pid=$!
sleep 2
kill -0 $exporter_pid 2>/dev/null || { wait $exporter_pid; exit; } # its own log says why

if [[ $demo ]]; then
  if [[ -w /dev/kvm ]]; then
    "$ROOT/build/up/tests/guest/kvmx-guest" --qemu-name storm --program deadline-halt --count 0 \
      --rate 1000 --vcpus 4 >/dev/null &
    guest_pid=$!
    echo "A guest named storm writes its timer 1,000 times a second on each of 4 vCPUs. See it:"
    echo "    curl -s $url | grep -E 'vm=\"storm\".*TSC_DEADLINE'"
  else
    echo "No demo guest: there is no /dev/kvm here that we may use. On a host with KVM, load" \
      "kvm_intel or kvm_amd; in a virtual machine, enable nested virtualisation." >&2
  fi
fi
echo "Metrics: $url (Ctrl-C to end)"
wait $exporter_pid
