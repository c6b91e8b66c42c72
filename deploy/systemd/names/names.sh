#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# names.sh TARGET [LIBVIRT] [PODS]: copies what says who a host's VMs are, for an exporter that is not
# root. kvm-exit-exporter-names.service runs it as root.
#
#   TARGET/libvirt/qemu/DOMAIN.xml, TARGET/libvirt/ch/DOMAIN.xml
#       libvirt's status files up to the devices. What follows may have passwords of consoles.
#   TARGET/pods/NAMESPACE_NAME_UID
#       a directory for each one in /var/log/pods
set -eu
target=$1
libvirt=${2:-/run/libvirt}
pods=${3:-/var/log/pods}
umask 027

# A copy appears whole, under its name, or not at all.
copy_status() {
  sed -n '/<devices>/{s/<devices>.*/<devices>/p;q};p' "$1" >"$2.new" && mv "$2.new" "$2"
}

for driver in qemu ch; do
  copies=$target/libvirt/$driver
  mkdir -p "$copies"
  for status in "$libvirt/$driver"/*.xml; do
    if [ -f "$status" ]; then copy_status "$status" "$copies/${status##*/}"; fi
  done
  for copy in "$copies"/*.xml; do
    [ -e "$libvirt/$driver/${copy##*/}" ] || rm -f "$copy"
  done
done

mkdir -p "$target/pods"
for pod in "$pods"/*_*_*; do
  if [ -d "$pod" ]; then mkdir -p "$target/pods/${pod##*/}"; fi
done
for copy in "$target/pods"/*; do
  if [ -d "$copy" ] && ! [ -d "$pods/${copy##*/}" ]; then rmdir "$copy"; fi
done
