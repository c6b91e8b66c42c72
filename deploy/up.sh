#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# up.sh: from a fresh Debian 12 to a served metric
#
# usage: deploy/up.sh [--demo | --static] [EXPORTER FLAG...]
#
# Installs what is missing, builds, and runs the exporter in the foreground; Ctrl-C ends it. Flags
# go to the exporter: see --help. With --demo a small guest storms this machine with timer
# interrupts meanwhile, so that there is something to see. With --static it is the static program,
# from build/static/out: built there if need be, which takes Debian 12; once there, it runs on any
# distribution, and nothing is installed.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=packages.sh
. "$ROOT/deploy/packages.sh"

demo='' static=''
case ${1:-} in
  --demo) demo=yes && shift ;;
  --static) static=$ROOT/build/static/out/kvm_exit_exporter && shift ;;
esac
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

if ((EUID != 0)); then
  echo "BPF and package installation need root: run this with sudo." >&2
  exit 1
fi

if [[ -x $static ]]; then
  exporter=$static
else
  # shellcheck source=/dev/null
  [[ ! -r /etc/os-release ]] || . /etc/os-release
  if [[ $static && ! -x /usr/bin/apt-get ]]; then
    echo "There is no $static, and ${PRETTY_NAME:-this} cannot build it. On Debian 12, run" \
      "deploy/static/build.sh build/static/out in a clone of this; then copy kvm_exit_exporter from there" \
      "to here, or anywhere: it needs no other file." >&2
    exit 1
  fi
  [[ ${ID:-} == debian ]] || echo "This is ${PRETTY_NAME:-no Debian}: package names may differ." >&2
  install_packages "${BUILD_PACKAGES[@]}"
  echo "Building"
  if [[ $static ]]; then
    "$ROOT/deploy/static/build.sh" "${static%/*}" >/dev/null
    exporter=$static
  else
    build "$ROOT/build/up" -DKVMX_TESTS="$([[ $demo ]] && echo GUEST || echo OFF)"
    exporter=$ROOT/build/up/exporter/kvm_exit_exporter
  fi
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

"$exporter" "${arguments[@]}" &
exporter_pid=$!
sleep 2
kill -0 $exporter_pid 2>/dev/null || { wait $exporter_pid; exit; } # its own log says why

if [[ $demo ]]; then
  if [[ -w /dev/kvm ]]; then
    "$ROOT/build/up/tests/guest/kvmx-guest" --qemu-name storm --program deadline-halt --count 0 \
      --rate 1000 --vcpus 12 >/dev/null &
    guest_pid=$!
    echo "A guest named storm writes its timer 1,000 times a second on each of 12 vCPUs. See it:"
    echo "    curl -s $url | grep 'vm=\"storm\"'"
  else
    echo "No demo guest: there is no /dev/kvm here that we may use. On a host with KVM, load" \
      "kvm_intel or kvm_amd; in a virtual machine, enable nested virtualisation." >&2
  fi
fi
echo "Metrics: $url (Ctrl-C to end)"
wait $exporter_pid
