#!/bin/sh
# PID 1 of the emulated AMD host once it is up, in the machine's root, or a service
# of its systemd: runs the command and powers off. Called by amd-init.sh.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/machine/usr/bin:/machine/bin
# shellcheck source=/dev/null
. /lab-run/settings
# shellcheck source=host.sh
. "${lab_dir:?}/host.sh"

: >/lab-run/started
# The only virtio port; its first number depends on the devices before it.
run_command /dev/vport*p1
echo "${status:?}" >/lab-run/status
sync
busybox poweroff -f
sleep 60
