#!/usr/bin/env python3
"""hpet_test.py EXPORTER: QEMU's HPET pulses an interrupt line of an idle Linux guest; without one it does not.

In an emulated AMD host whose clock counts instructions (--icount). Two guests boot the host's own kernel on
QEMU's PC, one with hpet=on, one with hpet=off. The one with an HPET has the finding interrupt_line_storm, by
its line; the other has not. All changes are those that the kernel's own tracing counts.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
import linux_guest as linux
from exporter import Exporter
from tracing import Witness, mount_tracefs
from verdict import Verdict

WINDOW_SECONDS = 25
FINDS = "interrupt_line_storm"


class PcGuest(linux.Guest):
    """On QEMU's PC, which has an HPET or not."""

    def __init__(self, name, hpet, qemu, kernel, directory):
        self.name = name
        self.seconds = linux.BOOT_SECONDS
        self.console = directory / f"{name}.console"
        self.process = subprocess.Popen(
            [f"{qemu}/usr/bin/qemu-system-x86_64", "-name", f"guest={name}", "-L", f"{qemu}/usr/share/qemu",
             "-M", f"pc,accel=kvm,hpet={hpet},usb=off,vmport=off", "-bios", "qboot.rom",
             "-cpu", "host,+tsc-deadline,+x2apic", "-m", "160", "-nodefaults", "-no-user-config",
             "-display", "none", "-net", "none", "-serial", f"file:{self.console}", "-kernel", f"{kernel}/vmlinux",
             "-initrd", str(directory / "initramfs"),
             "-append", "console=ttyS0 quiet nokaslr mitigations=off audit=0 lsm=capability"])
        linux.atexit.register(self.process.kill)


def lines(page, guest):
    return {m.labels["gsi"]: m.value for m in page.samples
            if m.name == "kvm_interrupt_line_changes_total" and m.labels["vm"] == guest}


def changes(first, last):
    """Between two pages, of whatever VM or of none."""
    def total(page):
        return sum(page.sum(name, **labels) or 0 for name, labels in (
            ("kvm_interrupt_line_changes_total", {}),
            ("kvm_exporter_events_lost_total", {"cause": "unattributed"})))
    return total(last) - total(first)


def main():
    qemu, kernel = os.environ["LAB_QEMU"], os.environ["LAB_KERNEL_DIR"]
    directory = pathlib.Path(tempfile.mkdtemp(prefix="kvmx-hpet-"))
    linux.make_initramfs(directory)
    verdict = Verdict()
    mount_tracefs()
    exporter = Exporter(sys.argv[1], 10194, f"--vm.linger={linux.LINGER}s")
    for name, hpet in (("without", "off"), ("with", "on")):
        linux.boot(name, hpet, qemu, kernel, directory, kind=PcGuest)
        print(f"{name} is up at {time.monotonic():.0f} s", flush=True)
    unseen = exporter.scrape()
    witness = Witness("kvmx-hpet", "kvm_set_irq")
    before = exporter.scrape()
    time.sleep(WINDOW_SECONDS)
    page = exporter.scrape()
    rates = {name: {gsi: round((n - lines(before, name).get(gsi, 0)) / (page.start - before.start))
                    for gsi, n in lines(page, name).items()} for name in ("with", "without")}
    print(f"changes a second, by line: {rates}", flush=True)
    held = {name: page.sum("kvm_vm_finding_seconds_total", vm=name, finding=FINDS) or 0
            for name in ("with", "without")}
    verdict.check(held["with"] > 5, f"with an HPET, {FINDS} held for {held['with']:.0f} s")
    verdict.check(held["without"] == 0, f"without, for {held['without']:.0f} s")
    seen = witness.count("kvm_set_irq")
    least, most = changes(before, page), changes(unseen, exporter.scrape())
    verdict.check(least <= seen <= most, f"tracefs counted {seen} changes, the exporter {least:.0f} within"
                  f" that time and {most:.0f} beyond it")
    verdict.end()


main()
