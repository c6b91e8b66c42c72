#!/usr/bin/env bash
# run.sh HOST BUILD_DIR [KERNEL]: scenario.sh in a host, then check.py on what it left
#
#   run.sh native BUILD_DIR                 this machine's own /dev/kvm
#   run.sh intel BUILD_DIR KERNEL [static]  an emulated Intel host; with the static program
#   run.sh older BUILD_DIR                  an emulated AMD host whose KVM is built with 5.15's kvm_exit
#
# In other emulated AMD hosts lab/scenarios.py runs it, beside others.
#
# Exits with 77, and says why, where this machine's KVM cannot be used.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
host=$1 build=$(realpath "$2") kernel=${3:-} program=${4:-}
exporter=$build/exporter/kvm_exit_exporter
[[ $program != static ]] || exporter=$build/exporter/static/kvm_exit_exporter_static
guest=$build/tests/guest/kvmx-guest
lab=$here/../lab
out=$build/exact/$host${kernel:+-$kernel}${program:+-$program}
rm -rf "$out"
mkdir -p "$out"

skip() {
  echo "SKIPPED: $*"
  exit 77
}

case $host in
  native)
    [[ -w /dev/kvm ]] || skip "this machine has no /dev/kvm that we may use"
    mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing ||
      skip "tracefs, the witness, cannot be mounted here"
    "$here/scenario.sh" "$exporter" "$guest" "$out"
    ;;
  intel)
    "$lab/intel.sh" --kernel "$kernel" --timeout 900 --out "$out" \
      --file "$exporter" --file "$guest" --file "$here/scenario.sh" -- \
      sh "$here/scenario.sh" "$exporter" "$guest" /lab-out
    ;;
  older)
    modules=$("$lab/older_kvm.sh")
    # shellcheck disable=SC2016 # for the shell inside
    "$lab/amd.sh" --kernel 6.1 --smp 2 --timeout 900 --out "$out" -- \
      "$here/with_modules.sh" "$modules" sh -c \
      '"$2" --version | grep "kvm_exit: by BTF" && "$@"' - "$here/scenario.sh" "$exporter" "$guest" /lab-out
    ;;
  *)
    echo "run.sh: unknown host $host; see the head of this file" >&2
    exit 2
    ;;
esac
python3 "$here/check.py" "$out"
