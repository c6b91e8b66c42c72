#!/usr/bin/env python3
"""static_test.py PROGRAM GUEST: the static program counts where nothing else is.

On this machine or in an emulated AMD host. Its root is an empty directory but for itself and the kernel's
own trees, /proc and /sys: what an initramfs without any library has. A guest's MSR accesses, and in the
emulated host its exits, must be counted exactly. A name to listen on is looked up without the name services
that a host's /etc may ask for.
"""

import os
import pathlib
import re
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from counts import exported_counts, guest_counts
from exporter import Exporter
from guests import Guests
from verdict import Verdict, has_kvm

IN_LAB = "LAB_ISA" in os.environ
NAME = "in-an-empty-root"
# Mounts are this process's own, and end with it. $0 is the program, and the rest its arguments.
EMPTY_ROOT = """
root=/mnt && mount -t tmpfs tmpfs $root && cp "$0" $root/kvm_exit_exporter && cd $root && mkdir etc proc sys &&
echo "hosts: resolve myhostname" >etc/nsswitch.conf && echo "127.0.0.1 alone" >etc/hosts &&
mount --rbind /proc proc && mount --rbind /sys sys && mount -o remount,ro $root &&
exec chroot $root /kvm_exit_exporter "$@"
"""
ALONE = ("unshare", "--mount", "--propagation", "private", "sh", "-euc", EMPTY_ROOT)


def check_version(verdict, program):
    done = subprocess.run([*ALONE, program, "--version"], capture_output=True, text=True, check=False)
    verdict.check(done.returncode == 0 and done.stdout.startswith("kvm_exit_exporter, version"),
                  f"--version: {done.stdout.splitlines()[:1]} {done.stderr}")


def of_interest(counts):
    """Where KVM runs in software, kvm_exit never fires; 7.x may skip userspace exits, and says so."""
    wanted = ("read", "write", "deadlines") + (("exits",) if IN_LAB else ())
    return {key: n for key, n in counts.items() if key[1] in wanted}


def exported(page):
    return of_interest(exported_counts([m for m in page.samples if m.labels.get("vm") == NAME],
                                       vcpus_have_exits=os.environ.get("LAB_KERNEL") != "5.10"))


def main():
    verdict = Verdict()
    check_version(verdict, sys.argv[1])
    exporter = Exporter(sys.argv[1], 10219, "--web.listen-address=alone:10223", prefix=ALONE)
    root = pathlib.Path(f"/proc/{exporter.process.pid}/root")
    files = sorted(entry.name for entry in root.iterdir())
    verdict.check(files == ["etc", "kvm_exit_exporter", "proc", "sys"], f"its root has {files}")
    with socket.create_connection(("127.0.0.1", 10223), 20):
        verdict.check(True, "a name in /etc/hosts is found")
    maps = pathlib.Path(f"/proc/{exporter.process.pid}/maps").read_text()
    # Shared memory without a file has this name.
    mapped = {path.rpartition("/")[2] for path in re.findall(r" (/.*)$", maps, re.M)} - {"zero (deleted)"}
    verdict.check(mapped == {"kvm_exit_exporter"}, f"all that it has mapped: {sorted(mapped)}")
    if not has_kvm():
        verdict.leave_out("this machine has no /dev/kvm that we may use: nothing was loaded or counted")
        verdict.end()
    attached = exporter.until(lambda page: page.sum("kvm_exporter_probe_attached"))
    verdict.check(attached, "BPF programs are loaded and attached")
    status = pathlib.Path(f"/proc/{exporter.process.pid}/status").read_text()
    verdict.check("Seccomp:\t2" in status, "it is in its sandbox")
    guests = Guests(sys.argv[2])
    guest = guests.hold(NAME, "--hold-before", "--hold-after", "--program", "random-msr", "--vcpus", 2,
                        "--count", 500, "--indices", 40, "--deadlines", 40)
    (vm,) = guests.work(guest)["vms"]
    want = of_interest(guest_counts(vm))
    page = exporter.until(lambda page: exported(page) == want) or exporter.scrape()
    verdict.check(want and exported(page) == want, f"counted {exported(page)}, by the guest and KVM {want}")
    guests.go_on(guest)
    verdict.check(exporter.stop() == 0, "it ends as asked")
    verdict.end()


main()
