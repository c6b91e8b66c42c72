#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# with_modules.sh DIR COMMAND...: runs a command on DIR's kvm.ko and kvm_amd.ko
#
# In an emulated AMD host, whose own modules are unloaded first, and loaded again at the end.
set -eu
dir=$1
shift

clean_up() {
  status=$?
  modprobe -r kvm_amd || status=1
  modprobe kvm_amd || status=1
  exit $status
}

modprobe -r kvm_amd
trap clean_up EXIT
for module in kvm kvm_amd; do
  for needed in $(modinfo -F depends $module | tr ',' ' '); do
    [ "$needed" = kvm ] || modprobe "$needed"
  done
  insmod "$dir/$module.ko"
done
"$@"
