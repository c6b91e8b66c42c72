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

# Only what has changed since the last time is copied; a name that is new to its file changes it, too. What
# changes while this runs is for the next time, so the mark is a second old.
mark=$target/.mark
touch -d "1 second ago" "$mark.new"
changed_in() {
  if ! [ -d "$1" ]; then return; fi
  if [ -e "$mark" ]; then set -- "$1" -cnewer "$mark"; fi
  directory=$1
  shift
  find "$directory" -maxdepth 1 -type f -name '*.xml' "$@"
}

# A copy appears whole, under its name, or not at all.
copy_status() {
  sed -n '/<devices>/{s/<devices>.*/<devices>/p;q};p' "$1" >"$2.new" && mv "$2.new" "$2"
}

for driver in qemu ch; do
  copies=$target/libvirt/$driver
  mkdir -p "$copies"
  changed_in "$libvirt/$driver" | while IFS= read -r status; do # libvirt refuses names of two lines
    copy_status "$status" "$copies/${status##*/}" || [ ! -e "$status" ]
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
mv "$mark.new" "$mark"
