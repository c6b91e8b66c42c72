#!/bin/sh
# /init of the emulated AMD host. The machine's root comes over 9p, read-only, with
# a tmpfs over it: everything built there is here, and nothing here changes it.
# amd.sh explains itself in /lab-run/settings, and takes the status from /lab-run.
export PATH=/bin
# shellcheck source=host.sh
. /host.sh

share() {
  mount -t 9p -o "trans=virtio,version=9p2000.L,msize=524288,$3" "$1" "$2" || fail "cannot mount $1 over 9p"
}

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
load boot

mkdir -p /machine /writes /newroot
share machine /machine ro,cache=loose
mount -t tmpfs tmpfs /writes
mkdir /writes/upper /writes/work
mkdir -p /lab-run
share run /lab-run cache=none
# shellcheck source=/dev/null
. /lab-run/settings
mount -t overlay -o lowerdir="/machine${lab_system?}",upperdir=/writes/upper,workdir=/writes/work overlay /newroot ||
  fail "cannot lay a tmpfs over the machine's root"
mkdir -p /newroot/lab-run /newroot/lab-out
mount -o move /lab-run /newroot/lab-run
share out /newroot/lab-out cache=mmap
[ -z "$lab_system" ] || {
  mkdir -p /newroot/machine
  mount -o move /machine /newroot/machine
}

hostname "${lab_hostname:?}"
[ -z "${lab_net?}" ] || {
  load net
  ip address add 10.0.2.15/24 dev eth0
  ip link set eth0 up
  ip route add default via 10.0.2.2
}
[ -z "${lab_kvm?}" ] || load kvm

trees="proc sys dev"
# systemd mounts the rest itself.
[ -n "$lab_system" ] || {
  mount_kernel_trees "/"
  trees="$trees run"
}
for tree in $trees; do
  mkdir -p "/newroot/$tree"
  mount -o move "/$tree" "/newroot/$tree"
done
# modprobe and libbpf look there for this kernel's own.
release=$(uname -r)
mkdir -p "/newroot/lib/modules/$release" /newroot/boot
mount -o bind "/newroot${lab_kernel_dir:?}/lib/modules/$release" "/newroot/lib/modules/$release"
ln -sf "${lab_kernel_dir:?}/config" "/newroot/boot/config-$release"
chmod 1777 /newroot/tmp

[ -n "$lab_system" ] || exec switch_root /newroot /bin/sh "${lab_dir:?}/amd-run.sh"

cat >/newroot/etc/systemd/system/lab.service <<END
[Unit]
After=multi-user.target
[Service]
ExecStart=/bin/sh ${lab_dir:?}/amd-run.sh
StandardOutput=tty
TTYPath=/dev/console
END
# Nobody logs in, and without udev its terminal would be waited for.
ln -s /dev/null "/newroot/etc/systemd/system/serial-getty@.service"
mkdir -p /newroot/etc/systemd/system/default.target.wants
ln -s ../lab.service /newroot/etc/systemd/system/default.target.wants/
exec switch_root /newroot /lib/systemd/systemd --system --unit=default.target
