#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# service_host.sh GUEST KIND: the packaged service as its host sees it
#
# Run by service_test.sh under a systemd of its own, in an emulated host on which the package is
# installed, as deb or rpm. POSIX sh, and busybox of the machine around it.
set -u
guest=$1 kind=$2
unit=kvm-exit-exporter
port=10177
export LD_LIBRARY_PATH=/machine/usr/lib/x86_64-linux-gnu # the guest's libraries
busybox() { /machine/usr/bin/busybox "$@"; }

# shellcheck source=host_checks.sh
. "$(dirname "$0")/host_checks.sh"

main_pid() { systemctl show -P MainPID $unit; }
active() { systemctl is-active --quiet $unit; }
refuses() { busybox wget -O /dev/null http://127.0.0.1:$port/metrics 2>&1 | grep -q 401; }
admits() { busybox wget -q -O /dev/null http://somebody:tick-tock@127.0.0.1:$port/metrics; }

# Looked up each time: it may have been started again.
service_is_powerless() { powerless "$(main_pid)"; }
# Before Linux 5.19 one is kept, see Privileges in deploy/README.md.
service_holds_bpf_only() { holds_only "$(main_pid)" 0000008000000000; }
confined() { active && ! grep -hE '^(NoNewPrivs|Seccomp):' /proc/"$(main_pid)"/task/*/status | grep -qE ':.0$'; }

# What the exporter itself complained of; systemd's words on the watchdog are none of its own.
complaints() { journalctl -u $unit -o cat --no-pager | grep -E 'level=(warning|error|critical)'; }

run_guest() { "$guest" --qemu-name "$@" >/dev/null; }

echo "Linux $(uname -r), $(systemctl --version | head -n 1)"
check "the service is active" within 60 active
check "KVM's events are attached" within 60 shows '^kvm_exporter_probe_attached{probe="kvm_exit"} 1'
if [ "$LAB_KERNEL" = 5.10 ]; then
  check "its threads hold no capability but CAP_BPF" within 30 service_holds_bpf_only
else
  check "its threads hold no capability" within 30 service_is_powerless
fi
check "they are confined" confined

check "a guest runs" run_guest exits --program cpuid --count 500
check "its exits are counted exactly" within 30 shows '^kvm_exits_total{vm="exits",vcpu="0",reason="cpuid"} 500$'
check "a storm runs" run_guest storm --program deadline-halt --count 300 --rate 1000 --vcpus 2
check "it is counted exactly" within 30 shows '^kvm_msr_accesses_total{vm="storm",vcpu="1",op="write",msr="IA32_TSC_DEADLINE",index="0x6e0"} 300$'

case $LAB_KERNEL in 5.10 | 7.2) needs=more-capabilities.conf ;; *) needs='' ;; esac
check "it has the capabilities that this kernel needs, and no more" \
  test "$(basename "$(systemctl show -P DropInPaths $unit)")" = "$needs"
if [ -z "$needs" ]; then
  exposed() { systemd-analyze security --no-pager --threshold=20 $unit >/tmp/exposure; }
  check "its exposure is 2.0 or less" exposed
  tail -n 1 /tmp/exposure
fi
check "it answers whoever asks" shows '^kvm_host_info'
# The password is tick-tock.
cat >/etc/web.yml <<'END'
basic_auth_users:
  somebody: $2y$10$oS152aLAuKHCxtdLmHzfse7unsf0c4PeAFGBsN.lp6NxshlFRDV/W
END
check "it reloads" systemctl reload $unit
check "and asks for a password then" within 30 refuses
check "which opens it" admits
: >/etc/web.yml
systemctl reload $unit
check "and no longer after another reload" within 30 shows '^kvm_host_info'

storm_stays() { shows '^kvm_msr_accesses_total{vm="[^"]*",vcpu="1",op="write",msr="IA32_TSC_DEADLINE",index="0x6e0"} 300$'; }
if [ "$LAB_KERNEL" != 5.10 ]; then
  mkfifo /tmp/hold
  run_guest long --program cpuid --count 150000 --hold-after </tmp/hold &
  exec 3>/tmp/hold
  check "another guest runs" within 60 shows '^kvm_exits_total{vm="long",vcpu="0",reason="cpuid"}'
  check "the exporter restarts meanwhile" systemctl restart $unit
  check "no exit is lost in between" within 120 shows '^kvm_exits_total{vm="long",vcpu="0",reason="cpuid"} 150000$'
  check "nor what was counted before" storm_stays
  exec 3>&-
  wait
fi

# Names that only root may read, by the units that the package has as examples.
examples=/usr/share/doc/kvm-exit-exporter/examples
status=/run/libvirt/qemu/shop.xml
libvirt_status() {
  cat <<END
<domstatus state='running' reason='booted' pid='$1'><domain type='kvm' id='7'><name>shop</name>
<metadata><nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1"><nova:name>the shop</nova:name>
<nova:owner><nova:user uuid="7">alice</nova:user><nova:project uuid="8">webshop</nova:project></nova:owner>
</nova:instance></metadata>
<devices><graphics type='vnc' passwd='secret'/></devices></domain></domstatus>
END
}
mkdir -p ${status%/*}
chmod 700 /run/libvirt
check "the units of names are there" sh -c "cp $examples/kvm-exit-exporter-names.* /etc/systemd/system"
systemctl daemon-reload
check "they start" systemctl enable --quiet --now $unit-names.service $unit-names.path $unit-names.timer
check "the exporter sees them once it starts again" systemctl restart $unit
"$guest" --exec-as=/usr/bin/qemu-system-x86_64 --exec-as=-name --exec-as=guest=shop --exec-as=-chardev \
  --exec-as=socket,id=charmonitor,fd=33 --program deadline-halt --rate 2 --count 0 >/dev/null &
shop=$!
libvirt_status $shop >$status.new
chmod 600 $status.new
mv $status.new $status
owned="^kvm_vm_info{vm=\"shop\",name=\"the shop\",.*domain=\"shop\",vmm=\"qemu\",pid=\"$shop\",.*project=\"webshop\",user=\"alice\"} 1"
check "the name and owner that only libvirt's file has are exported" within 90 shows "$owned"
shows "$owned" || { page | grep kvm_vm_info; ls -lR /run/kvm-exit-exporter-names; journalctl -u $unit-names.service -o cat; }
not_root() { [ "$(stat -c %u "/proc/$(main_pid)")" != 0 ]; }
check "by an exporter that is not root" not_root
check "of whose copy no password is part" sh -c '! grep -rq secret /run/kvm-exit-exporter-names'
kill $shop
wait $shop

before=$(main_pid)
kill -STOP "$before"
replaced() { active && [ "$(main_pid)" != "$before" ]; }
check "a stopped one is replaced by the watchdog" within 120 replaced
check "the new one counts" within 60 shows '^kvm_exporter_probe_attached{probe="kvm_exit"} 1'
[ "$LAB_KERNEL" = 5.10 ] || check "and continues its counters" within 60 storm_stays
told_to_journal() { journalctl -u $unit -o cat --no-pager | grep -q 'level=info'; }
check "its log is in the journal" told_to_journal
check "it complains of nothing $(complaints)" [ -z "$(complaints)" ]
check "it stops at once" systemctl stop $unit
check "and well" [ "$(systemctl show -P Result $unit)" = success ]
[ "$checks_failed" = 0 ] || journalctl -u $unit -o cat --no-pager | tail -n 40

purge() {
  case $kind in
    deb) dpkg --purge kvm-exit-exporter ;;
    rpm) RPM_CONFIGDIR=/machine/usr/lib/rpm /machine/usr/bin/rpm --force-debian --nodeps -e kvm-exit-exporter ;;
  esac
}
unloads() { rmmod kvm_amd kvm 2>/dev/null || rmmod kvm 2>/dev/null; }
check "it is purged" purge
check "no unit of it is left" [ "$(systemctl show -P LoadState $unit)" = not-found ]
check "and KVM can be unloaded" within 20 unloads
verdict
