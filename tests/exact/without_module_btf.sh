#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# without_module_btf.sh COMMAND... OUT: runs scenario.sh or the like, which leaves metrics.txt in OUT, on KVM
# modules without BTF, as where CONFIG_DEBUG_INFO_BTF_MODULES is off
#
# In an emulated AMD host.
set -eu
here=$(dirname "$0")
if [ "${1:-}" = --check ]; then # within itself, once the modules are there
  shift
  [ ! -e /sys/kernel/btf/kvm ] || { echo "FAILED: the module has BTF still" && exit 1; }
  exec "$@"
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for module in kvm kvm_amd; do
  file=$(modinfo -n $module)
  case $file in
    *.xz) xz -dc "$file" >"$dir/$module.ko" ;;
    *) cp "$file" "$dir/$module.ko" ;;
  esac
  objcopy --remove-section=.BTF --remove-section=.BTF.base "$dir/$module.ko"
done
# On 7.x the kernel may skip the programs that count exits here, and says so: what it skipped nobody can count.
for out; do :; done # the last argument
for try in 1 2 3; do
  rm -rf "$out"
  "$here/with_modules.sh" "$dir" "$0" --check "$@"
  grep -qE '^kvm_exporter_probe_missed_total\{probe="kvm_(exit|entry|msr)"\} [1-9]' "$out/metrics.txt" || break
  echo "the kernel has skipped programs of exits: try $try"
done
