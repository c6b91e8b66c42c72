#!/usr/bin/env python3
"""identity_test.py EXPORTER GUEST: who VMs are, by the exporter itself, of real processes.

Guests run under the command lines of VMMs, in control groups as services make them, with what
libvirt and the kubelet would leave on the host; and under names that nobody should give. The test
has a mount namespace of its own, so that none of this is seen outside; what it makes of control
groups is removed.
"""

import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from exporter import Exporter
from verdict import Verdict, need_kvm, skip

TAG = f"{os.getpid():08x}"  # others may run this test at the same time, on the same KVM
UUID = "6f1f4a1e-0e9a-4b7c-9f51-3c1f2b7f1f00"
POD = f"{TAG}-7b1e-4c7d-9a55-0f1d2e3c4b5a"
CONTAINER = TAG * 8
SANDBOX = f"{os.getpid():064x}"
OTHER = f"{os.getpid():f<64x}"
CGROUPS = pathlib.Path("/mnt")  # where this test has them mounted
OURS = CGROUPS / f"kvmx-identity-{TAG}"
SAME = f"same-{TAG}"
BAD = "\N{REPLACEMENT CHARACTER}"
FORGED = 'kvm_exits_total{vm="forged",vcpu="0",reason="forged"} 1'
KUBEPODS = f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{POD.replace('-', '_')}.slice"
LIBVIRT = ["-chardev", "socket,id=charmonitor,fd=33,server=on,wait=off"]
STATUS = """<domstatus state='running' reason='booted' pid='{pid}'>
  <domain type='kvm' id='7'>
    <name>instance-{tag}</name>
    <title>not this</title>
    <metadata>
      <nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
        <nova:name>web &quot;1&quot; &amp; \N{SNOWMAN}</nova:name>
        <nova:owner>
          <nova:user uuid="7">alice</nova:user>
          <nova:project uuid="8">webshop</nova:project>
        </nova:owner>
      </nova:instance>
    </metadata>
    <devices/>
  </domain>
</domstatus>
"""

# Command line; control group; file that the host has of it; the labels it must have.
HOSTS = [
    (["/usr/bin/qemu-system-x86_64", "-name", f"guest=instance-{TAG},debug-threads=on", "-uuid",
      UUID, *LIBVIRT],
     rf"machine.slice/machine-qemu\x2d7\x2dinstance\x2d{TAG}.scope/libvirt/emulator",
     f"/run/libvirt/qemu/instance-{TAG}.xml",
     {"vm": f"instance-{TAG}", "name": 'web "1" & \N{SNOWMAN}', "domain": f"instance-{TAG}",
      "uuid": UUID, "vmm": "qemu", "project": "webshop", "user": "alice"}),
    (["/usr/libexec/qemu-kvm", "-name", f"guest=team-a_db-{TAG},debug-threads=on", *LIBVIRT, "-smbios",
      "type=1,manufacturer=KubeVirt,family=KubeVirt"],
     f"{KUBEPODS}/cri-containerd-{CONTAINER}.scope",
     f"/var/log/pods/team-a_virt-launcher-db-x7k2p_{POD}/",
     {"vm": f"team-a_db-{TAG}", "name": f"db-{TAG}", "namespace": "team-a", "pod": "virt-launcher-db-x7k2p",
      "domain": f"team-a_db-{TAG}"}),
    (["/opt/kata/bin/cloud-hypervisor", "--api-socket", f"/run/vc/vm/{CONTAINER}/clh-api.sock"],
     f"kubepods/pod{POD[:-1]}f/{CONTAINER}",
     f"/var/log/pods/team-b_kata-{TAG}_{POD[:-1]}f/",
     {"vm": f"team-b_kata-{TAG}", "namespace": "team-b", "pod": f"kata-{TAG}", "id": CONTAINER, "name": "",
      "vmm": "cloud-hypervisor"}),
    (["/usr/bin/qemu-system-x86_64", "-name", f"sandbox-{SANDBOX}", "-pidfile",
      f"/run/vc/vm/{SANDBOX}/pid"],
     f"kubepods/besteffort/pod{POD[:-1]}e/{SANDBOX}", None,
     {"vm": SANDBOX, "id": SANDBOX, "pod": POD[:-1] + "e", "namespace": "", "vmm": "qemu"}),
    (["/usr/bin/kvm", "-id", "8006", "-name", f"mail-{TAG},debug-threads=on", "-smbios",
      f"type=1,uuid={UUID}"],
     "qemu.slice/8006.scope", None,
     {"vm": f"mail-{TAG}", "name": f"mail-{TAG}", "id": "8006", "uuid": UUID, "vmm": "qemu"}),
    (["/vmm-of-ours", "--id", f"vm-{TAG}", "--start-time-us", "1", "--start-time-cpu-us", "2"],
     f"firecracker/vm-{TAG}", None, {"vm": f"vm-{TAG}", "id": f"vm-{TAG}", "vmm": "firecracker"}),
    (["/usr/bin/some-vmm"], rf"machine.slice/machine-spawned\x2d{TAG}.scope", None,
     {"vm": f"spawned-{TAG}", "name": f"spawned-{TAG}", "vmm": ""}),
    (["/usr/bin/some-vmm"], f"system.slice/docker-{OTHER}.scope", None,
     {"vm": OTHER, "id": OTHER, "name": ""}),
    (["qemu-system-x86_64", "-name", f"windows-{TAG},process=windows"],
     f"system.slice/docker-{SANDBOX}.scope", None,
     {"vm": f"windows-{TAG}", "name": f"windows-{TAG}", "id": SANDBOX, "vmm": "qemu", "project": "", "user": ""}),
    ([f"microvm@web1-{TAG}", "-name", f"web1-{TAG}", "-M", "microvm,accel=kvm:tcg", "-m", "512", "-nodefaults"],
     None, None, {"vm": f"web1-{TAG}", "vmm": "qemu"}),
    ([f"microvm@web2-{TAG}", "--cpus", "boot=2", "--kernel", "/x/vmlinux", "--memory", "size=512M",
      "--api-socket", f"web2-{TAG}.sock"],
     None, None, {"vm": f"web2-{TAG}", "vmm": "cloud-hypervisor"}),
    (["qemu-system-x86_64", "-S", "-no-user-config", "-readconfig", "/run/systemd/vmspawn.1/.#conf"],
     f"machine.slice/systemd-vmspawn@spawn_{TAG}.service", None, {"vm": f"spawn_{TAG}", "name": f"spawn_{TAG}"}),
    (["stratovirt", "-disable-seccomp", "-name", f"strato-{TAG}", "-machine", "microvm"], None, None,
     {"vm": f"strato-{TAG}", "name": f"strato-{TAG}", "vmm": "stratovirt"}),
    (["firecracker", "--api-sock", f"/run/x/vm1-{TAG}.sock"], None, None,
     {"vm": f"vm1-{TAG}", "id": f"vm1-{TAG}", "vmm": "firecracker"}),
    (["/usr/lib/virtualbox/VBoxHeadless", "--comment", f"box-{TAG}", "--startvm", UUID, "--vrde", "config"],
     None, None, {"vm": f"box-{TAG}", "uuid": UUID, "vmm": "virtualbox"}),
    (["/sdk/emulator/qemu/linux-x86_64/qemu-system-x86_64-headless", "-no-window", "-avd", f"avd-{TAG}"],
     None, None, {"vm": f"avd-{TAG}", "vmm": "android-emulator"}),
]

# QEMU's -name, its commas doubled, and the label. '%' is TAG; 8 + 2 + 82 x 3 bytes are 256.
NAMES = [
    (b'%"quote', '%"quote'),
    (b"%\\back\\", "%\\back\\"),
    (b'%\\"both\\\\"', '%\\"both\\\\"'),
    (b"%\n" + FORGED.replace(",", ",,").encode(), f"%{BAD}{FORGED}"),
    (b'%"} 1\r\n# EOF\n', f'%"}} 1{BAD}{BAD}# EOF{BAD}'),
    (b"%\t\x01\x7f\xc2\x85", f"%{BAD}{BAD}{BAD}{BAD}"),
    (b"%\xff\xfe\xc3(\xed\xa0\x80", f"%{BAD}{BAD}{BAD}({BAD}{BAD}{BAD}"),
    ("%-Büro-\N{SNOWMAN}\u2028\N{GRINNING FACE}".encode(),
     "%-Büro-\N{SNOWMAN}\u2028\N{GRINNING FACE}"),
    (b"%,,=,,{}", "%,=,{}"),
    (b"%" + b"x" * 65536, "%" + "x" * (256 - len(TAG))),
    (b"%--" + "\N{SNOWMAN}".encode() * 20000, "%--" + "\N{SNOWMAN}" * 82),
    (b"", "qemu-system-x86-PID"),
    (b"% {{label}} $1 <b>", "% {{label}} $1 <b>"),
    (b"../../../etc/passwd%", "../../../etc/passwd%"),
]


class Running:
    """Guests that tick until the test is over."""

    def __init__(self, binary):
        self.binary = binary
        self.processes = []

    def start(self, words, group=None, prepare=None):
        """A guest under this command line, in this control group. `prepare` is called with its pid."""
        def before_exec():
            if group:
                (OURS / group / "cgroup.procs").write_text("0")
            if prepare:
                prepare(os.getpid())

        if group:
            (OURS / group).mkdir(parents=True, exist_ok=True)
        disguise = [b"--exec-as=" + os.fsencode(word) for word in words]
        process = subprocess.Popen(
            [self.binary, *disguise, "--program=deadline-halt", "--rate=2", "--count=0"],
            stdout=subprocess.DEVNULL, preexec_fn=before_exec)
        self.processes.append(process)
        return process.pid

    def qemu(self, name):
        return self.start(["/usr/bin/qemu-system-x86_64", "-name", b"guest=" + name])

    def end(self, pid):
        [process] = [p for p in self.processes if p.pid == pid]
        process.terminate()
        process.wait(60)

    def stop(self):
        for process in self.processes:
            self.end(process.pid)
        for directory, _, _ in os.walk(OURS, topdown=False):
            os.rmdir(directory)


def vms(scrape):
    """kvm_vm_info's labels by pid, of ended VMs too."""
    return {int(m.labels["pid"]): m.labels for m in scrape.samples if m.name == "kvm_vm_info"}


def until(exporter, condition):
    """The first page of which this holds; the last one of a minute."""
    deadline = time.monotonic() + 60
    while True:
        scrape = exporter.scrape()
        if condition(vms(scrape)) or time.monotonic() > deadline:
            return scrape
        time.sleep(0.3)


def check_hosts(verdict, exporter, running):
    expected = {}
    for words, group, path, labels in HOSTS:
        def leave(pid, path=path):
            if path and path.endswith("/"):
                pathlib.Path(path).mkdir(parents=True)
            elif path:
                pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
                pathlib.Path(path).write_text(STATUS.format(pid=pid, tag=TAG))

        expected[running.start(words, group, leave)] = labels
    seen = vms(until(exporter, lambda known: expected.keys() <= known.keys()))
    for pid, labels in expected.items():
        got = {name: seen.get(pid, {}).get(name) for name in labels}
        verdict.check(got == labels, f"{labels['vm'][:20]}: {got}")


def check_late_name(verdict, exporter, running):
    """A scope that comes two seconds after the VM: its name is the only one that is ever exported."""
    pid = running.start(["/usr/bin/qemu-system-x86_64", "-S"])
    begin = time.monotonic()
    names = set()
    group = OURS / f"machine.slice/machine-late_{TAG}.scope"
    while time.monotonic() - begin < 8:
        if time.monotonic() - begin > 2 and not group.exists():
            group.mkdir(parents=True)
            (group / "cgroup.procs").write_text(str(pid))
        names.add(vms(exporter.scrape()).get(pid, {}).get("vm"))
        time.sleep(0.3)
    verdict.check(names == {None, f"late_{TAG}"}, f"names of a VM whose scope comes late: {names}")


def check_page(verdict, scrape, own):
    """Whatever the names are, the page is well-formed; parse_metrics() has seen to uniqueness."""
    of_ours = {labels["vm"] for pid, labels in vms(scrape).items() if pid in own}
    verdict.check(len(of_ours) == len(own), f"{len(own)} VMs have {len(of_ours)} labels")
    longest = max(len(value.encode()) for m in scrape.samples for value in m.labels.values())
    verdict.check(longest == 256, f"the longest label value has {longest} bytes")
    forged = [m for m in scrape.samples if "forged" in (m.labels.get("vm"), m.labels.get("reason"))]
    verdict.check(not forged, f"no series is forged: {forged}")
    lint = subprocess.run(["promtool", "check", "metrics"], input=scrape.text.encode(),
                          capture_output=True, check=False)
    verdict.check(lint.returncode == 0 and not lint.stderr, f"promtool: {lint.stderr.decode()}")


def check_names(verdict, exporter, running):
    expected = {}
    for name, label in NAMES:
        pid = running.qemu(name.replace(b"%", TAG.encode()))
        expected[pid] = label.replace("%", TAG).replace("PID", str(pid))
    scrape = until(exporter, lambda known: expected.keys() <= known.keys())
    for pid, label in expected.items():
        got = vms(scrape).get(pid, {})
        name = "" if label.startswith("qemu-system-") else label
        verdict.check((got.get("vm"), got.get("name")) == (label, name),
                      f"{ascii(label[:40])} is {ascii(got.get('vm', '')[:40])}")
    check_page(verdict, scrape, {process.pid for process in running.processes})


def check_clashes(verdict, exporter, running):
    """One name, several VMs; names that imitate what these become; and what stays when one ends."""
    first = running.qemu(SAME.encode())
    until(exporter, lambda known: first in known)
    second = running.qemu(SAME.encode())
    until(exporter, lambda known: second in known)
    imitation = running.qemu(f"{SAME}@{first}".encode())
    scrape = until(exporter, lambda known: imitation in known)
    got = [vms(scrape)[pid]["vm"] for pid in (first, second, imitation)]
    expected = [SAME, f"{SAME}@{second}", f"{SAME}@{first}"]
    verdict.check(got == expected, f"two of a name, and one that imitates: {got}")
    check_page(verdict, scrape, {process.pid for process in running.processes})

    running.end(first)
    third = running.qemu(SAME.encode())
    scrape = until(exporter, lambda known: third in known)
    got = [vms(scrape)[pid]["vm"] for pid in (first, second, third)]
    verdict.check(got == [f"{SAME}@{first}/0", expected[1], SAME], f"one ends, a third comes: {got}")
    check_page(verdict, scrape, {process.pid for process in running.processes})


def refused_calls():
    """Lines in the kernel's log on system calls that a filter of an exporter has refused."""
    log = subprocess.run(["dmesg"], capture_output=True, text=True, check=False).stdout
    return [line for line in log.splitlines() if "type=1326" in line and "/kvm_exit_exporter" in line]


def main():
    need_kvm()
    if "KVMX_IN_NAMESPACE" not in os.environ:
        os.environ["KVMX_IN_NAMESPACE"] = "yes"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])
    for kind, path in (("tmpfs", "/run"), ("tmpfs", "/var/log"), ("cgroup2", CGROUPS)):
        if subprocess.run(["mount", "-t", kind, "none", path], check=False).returncode:
            skip(f"{kind} cannot be mounted here")
    # Landlock lets the exporter read what is there when it starts.
    for directory in ("/run/libvirt", "/var/log/pods"):
        os.mkdir(directory)
    verdict, running = Verdict(), Running(sys.argv[2])
    before = refused_calls()
    exporter = Exporter(sys.argv[1], 10198)
    try:
        check_hosts(verdict, exporter, running)
        check_late_name(verdict, exporter, running)
        check_names(verdict, exporter, running)
        check_clashes(verdict, exporter, running)
    finally:
        running.stop()
    verdict.check(exporter.stop() == 0, "the exporter ends well")
    # Beside this test others try what their filters refuse.
    refused = [line for line in refused_calls()[len(before):] if f" pid={exporter.process.pid} " in line]
    verdict.check(not refused, f"and has called nothing that its filter refuses {refused[:3]}")
    verdict.end()


main()
