#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# names_test.sh: the copies that deploy/systemd/names/names.sh makes, as the exporter's user sees them.
# Runs as root, with files that only root may read, and reads as a user without any right to them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=../checks.sh
. tests/checks.sh
((EUID == 0)) || { echo "skipped: root is needed to keep files from another user"; exit 77; }

host=$(mktemp -d)
trap 'rm -rf "$host"' EXIT
chmod 711 "$host"
group=54321
uid=54321
pod=team-a_web-0_1b4e28ba-2fa1-11d2-883f-0016d3cca427
domain="instance 1"
mkdir -p "$host"/libvirt/{qemu,ch} "$host/pods/$pod" "$host/pods/not-a-pod"
install -d -m 750 -g $group "$host/names"
chmod 700 "$host/pods"
sed 's,<devices>,<devices>\n<graphics passwd="secret"/>,' tests/fixtures/identity/status/nova.xml \
  >"$host/libvirt/qemu/$domain.xml"
chmod 600 "$host/libvirt/qemu/$domain.xml"

# shellcheck disable=SC2317 # check calls these
as_exporter() { setpriv --reuid "$1" --regid "$2" --clear-groups "${@:3}" 2>/dev/null; }
names() {
  setpriv --regid $group --clear-groups \
    sh deploy/systemd/names/names.sh "$host/names" "$host/libvirt" "$host/pods"
}
# shellcheck disable=SC2317
not() { ! "$@"; }

copy=$host/names/libvirt/qemu/$domain.xml
names
check "the original is for root only" not as_exporter $uid $group cat "$host/libvirt/qemu/$domain.xml"
check "the exporter reads the copy" as_exporter $uid $group grep -q "<nova:name>shop-frontend" "$copy"
check "the copy has no password" not grep -q secret "$copy"
sed -i 's,<devices>,<devices><graphics passwd="secret"/>,' "$host/libvirt/qemu/$domain.xml"
names
check "nor if it is on the same line" not grep -q secret "$copy"
check "another user does not read the copy" not as_exporter 54322 54322 cat "$copy"
check "the exporter reads names of pods" as_exporter $uid $group test -d "$host/names/pods/$pod"
check "what is no pod is not copied" test ! -e "$host/names/pods/not-a-pod"

sed -i 's/shop-frontend/renamed/' "$host/libvirt/qemu/$domain.xml"
names
check "a change is copied" grep -q renamed "$copy"
# A change within the second before the last time is copied once more.
sleep 1.1
names
inode() { stat -c %i "$copy"; }
unchanged=$(inode)
names
check "what has not changed is not copied again" [ "$(inode)" = "$unchanged" ]
touch -d yesterday "$host/other.xml"
mv "$host/other.xml" "$host/libvirt/qemu/other.xml"
names
check "an old file of a new name is copied" test -e "$host/names/libvirt/qemu/other.xml"
rm "$host/libvirt/qemu/other.xml"
rm "$host/libvirt/qemu/$domain.xml"
rmdir "$host/pods/$pod"
names
check "copies go with the originals" test -z "$(find "$host/names" -mindepth 2 -not -type d -o -name '*_*')"
rm -r "$host/libvirt" "$host/pods"
check "neither libvirt nor pods need be there" names
verdict
