#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# without_module_btf.sh COMMAND...: runs a command on KVM modules without BTF, as where
# CONFIG_DEBUG_INFO_BTF_MODULES is off
#
# In an emulated AMD host, whose modules are unloaded first, and loaded again at the end.
set -eu
files=$(mktemp -d)

clean_up() {
  status=$?
  modprobe -r kvm_amd || status=1
  modprobe kvm_amd || status=1
  rm -rf "$files"
  exit $status
}

modprobe -r kvm_amd
trap clean_up EXIT
for module in kvm kvm_amd; do
  file=$(modinfo -n $module)
  case $file in
    *.xz) xz -dc "$file" >"$files/$module.ko" ;;
    *) cp "$file" "$files/$module.ko" ;;
  esac
  objcopy --remove-section=.BTF --remove-section=.BTF.base "$files/$module.ko"
  [ $module = kvm_amd ] || modprobe -a $(modinfo -F depends $module | tr ',' ' ')
done
modprobe -a $(modinfo -F depends kvm_amd | tr ',' '\n' | grep -v '^kvm$') 2>/dev/null || true
insmod "$files/kvm.ko"
insmod "$files/kvm_amd.ko"
if [ -e /sys/kernel/btf/kvm ]; then
  echo "FAILED: the module has BTF still"
  exit 1
fi
"$@"
