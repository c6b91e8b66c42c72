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
mount -t overlay -o lowerdir=/machine,upperdir=/writes/upper,workdir=/writes/work overlay /newroot ||
  fail "cannot lay a tmpfs over the machine's root"
mkdir -p /newroot/lab-run /newroot/lab-out
share run /newroot/lab-run cache=none
share out /newroot/lab-out cache=mmap

# shellcheck source=/dev/null
. /newroot/lab-run/settings
hostname "${lab_hostname:?}"
[ -z "${lab_net?}" ] || {
  load net
  ip address add 10.0.2.15/24 dev eth0
  ip link set eth0 up
  ip route add default via 10.0.2.2
}
[ -z "${lab_kvm?}" ] || load kvm

mount_kernel_trees "/"
for tree in proc sys dev run; do
  mkdir -p "/newroot/$tree"
  mount -o move "/$tree" "/newroot/$tree"
done
# modprobe and libbpf look there for this kernel's own.
release=$(uname -r)
mkdir -p "/newroot/lib/modules/$release" /newroot/boot
mount -o bind "/newroot${lab_kernel_dir:?}/lib/modules/$release" "/newroot/lib/modules/$release"
ln -sf "${lab_kernel_dir:?}/config" "/newroot/boot/config-$release"
chmod 1777 /newroot/tmp

exec switch_root /newroot /bin/sh "${lab_dir:?}/amd-run.sh"
