#!/bin/sh
# /init of the emulated Intel host, and all there is: busybox, and what intel.sh
# was told to carry in. The results leave as a tar on the second disk, since the
# serial line takes a second for 10 KB.
export PATH=/bin
# shellcheck source=host.sh
. /host.sh

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /lab-out /root /tmp /var/tmp
chmod 1777 /tmp /var/tmp
hostname lab-intel
load kvm
mount_kernel_trees ""

stty -F /dev/ttyS1 raw -echo 115200
echo "lab: started" >/dev/console
run_command /dev/ttyS1

load disk
tries=0
until [ -b /dev/sdb ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 300 ] || fail "no second disk to write the results to"
  sleep 0.1
done
# The status comes last: with it, everything is there.
echo "${status:?}" >/lab-run/status
tar -cf /dev/sdb -C / lab-out lab-run/status || fail "cannot write the results; are they over 250 MB?"
sync
poweroff -f
sleep 60
