#!/usr/bin/env python3
"""linux_guest_test.py EXPORTER: two idle Linux guests, one with nohz=off.

In an emulated AMD host whose clock counts instructions (--icount). By this machine's clock, a guest
whose emulator waits for a CPU would look busy, and its ticks would come late. Both guests boot the
host's own kernel. Idle, Debian's kernel (HZ=250) with nohz=off programs its
timer and halts 250 times a second; without the argument it sleeps.
"""

import atexit
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from exporter import Exporter
from halted import check_halted
from verdict import Verdict

HZ = 250
# Emulated time; a boot takes 4 to 10 s of it, and up to a minute of the machine's. The emulator now and
# then hangs a guest that boots, with or without an exporter; then it is started anew.
BOOT_SECONDS = 30
BOOTS = 3
LINGER = 5
# After its last line of boot a guest still has things to finish: deferred initcalls, a last
# console flush, its clocksource watchdog.
SETTLE_SECONDS = 8
SCRAPES, EVERY = 11, 2.0
HALTED = 0.9
# The emulator's userspace PIT takes the vCPU out of KVM_RUN 36 times a second, and each ends a
# halt. A sleep that follows such a one, of 27.5 ms at most, is exported when it ends.
KICKS = 40
NOT_SHOWN_YET = 0.028
TICK_SHARE = 0.98
AGREES = 0.002
INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox grep -h . /proc/cmdline /sys/devices/system/clockevents/clockevent0/current_device
echo guest-is-up
while :; do /bin/busybox sleep 100000; done
"""


def make_initramfs(directory):
    tree = directory / "tree"
    for folder in ("bin", "dev", "proc", "sys"):
        (tree / folder).mkdir(parents=True)
    (tree / "bin" / "busybox").write_bytes(pathlib.Path("/bin/busybox").read_bytes())
    (tree / "init").write_text(INIT)
    os.mknod(tree / "dev" / "console", 0o600 | 0o020000, os.makedev(5, 1))
    for program in (tree / "bin" / "busybox", tree / "init"):
        program.chmod(0o755)
    archive = directory / "initramfs"
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    with archive.open("wb") as out:
        subprocess.run(["busybox", "cpio", "-o", "-H", "newc"], cwd=tree, input=names.encode(),
                       stdout=out, stderr=subprocess.DEVNULL, check=True)
    return archive


class Guest:
    def __init__(self, name, arguments, qemu, kernel, directory):
        self.name = name
        self.console = directory / f"{name}.console"
        self.process = subprocess.Popen(
            [f"{qemu}/usr/bin/qemu-system-x86_64", "-name", f"guest={name}",
             "-L", f"{qemu}/usr/share/qemu", "-M", "microvm,accel=kvm,x-option-roms=off",
             "-bios", "qboot.rom", "-cpu", "host,+tsc-deadline,+x2apic", "-m", "128",
             "-nodefaults", "-no-user-config", "-display", "none",
             "-serial", f"file:{self.console}", "-kernel", f"{kernel}/vmlinux",
             "-initrd", str(directory / "initramfs"),
             "-append", "console=ttyS0 quiet nokaslr mitigations=off audit=0 lsm=capability "
             + arguments])
        atexit.register(self.process.kill)

    def is_up(self):
        """Whether it boots in time."""
        deadline = time.monotonic() + BOOT_SECONDS
        while "guest-is-up" not in self.said():
            if self.process.poll() is not None or time.monotonic() > deadline:
                return False
            time.sleep(1)
        return True

    def stop(self):
        self.process.kill()
        self.process.wait()

    def halted_by_kvm(self):
        """When, and seconds by KVM's statistics: polling, in vain or not, and waiting."""
        statistics = pathlib.Path("/sys/kernel/debug/kvm").glob(f"{self.process.pid}-*")
        directory = next(statistics)
        return time.monotonic(), sum(int((directory / name).read_text()) for name in
                   ("halt_poll_success_ns", "halt_poll_fail_ns", "halt_wait_ns")) / 1e9

    def said(self):
        return self.console.read_text(errors="replace") if self.console.exists() else ""


def boot(*what):
    for _ in range(BOOTS):
        guest = Guest(*what)
        if guest.is_up():
            return guest
        print(f"{guest.name} did not boot in {BOOT_SECONDS} s: {guest.said()[-2000:]!r}", flush=True)
        guest.stop()
        guest.console.unlink(missing_ok=True)
        # Its counts are those of another VM: they shall not linger under its name.
        time.sleep(LINGER + 2)
    raise SystemExit(f"FAILED: {what[0]} did not boot, {BOOTS} times")


def tick_buckets(guest, first, last):
    """{upper bound: intervals of the window in that bucket alone}."""
    bounds = [m.labels["le"] for m in last.samples
              if m.name == "kvm_timer_interval_seconds_bucket" and m.labels["vm"] == guest]
    found, below = {}, 0
    for bound in sorted(bounds, key=float):
        up_to = [scrape.sum("kvm_timer_interval_seconds_bucket", vm=guest, le=bound) or 0
                 for scrape in (first, last)]
        found[bound] = up_to[1] - up_to[0] - below
        below = up_to[1] - up_to[0]
    return found


def halted(guest):
    return lambda scrape: scrape.sum("kvm_halt_seconds_total", vm=guest, vcpu="0") or 0


class Window:
    """Some scrapes, and what KVM itself says of its guests' halts at the first and the last."""

    def __init__(self, exporter, guests):
        self.scrapes = []
        self.kvm = [{guest.name: guest.halted_by_kvm() for guest in guests}]
        for _ in range(SCRAPES):
            self.scrapes.append(exporter.scrape())
            time.sleep(EVERY if len(self.scrapes) < SCRAPES else 0)
        self.kvm.append({guest.name: guest.halted_by_kvm() for guest in guests})
        self.first, self.last = self.scrapes[0], self.scrapes[-1]

    def rate(self, guest, name, **labels):
        after, before = (scrape.sum(name, vm=guest, **labels) or 0
                         for scrape in (self.last, self.first))
        return (after - before) / (self.last.start - self.first.start)

    def kvm_halted(self, guest):
        (began, before), (ended, after) = (at[guest] for at in self.kvm)
        return (after - before) / (ended - began)

    def tick(self, guest):
        """The fullest bucket, and the share of it."""
        buckets = tick_buckets(guest, self.first, self.last)
        fullest = max(buckets, key=buckets.get, default="none")
        return fullest, buckets.get(fullest, 0) / max(sum(buckets.values()), 1)


def check_guest(verdict, window, guest, least, most):
    """`least` to `most`: timer programmings a second."""
    writes = window.rate(guest, "kvm_msr_accesses_total", op="write", msr="IA32_TSC_DEADLINE")
    verdict.check(least <= writes <= most,
                  f"{guest}: {writes:.1f} TSC_DEADLINE writes a second, {least} to {most}")
    halts = window.rate(guest, "kvm_halts_total")
    verdict.check(least <= halts <= most + KICKS,
                  f"{guest}: {halts:.1f} halts a second, {least} to {most + KICKS}")
    # A sleep in progress that was not exported would leave a short window with nothing.
    for seconds in (1.0, 10.0):
        check_halted(verdict, guest, window.scrapes, halted(guest), seconds, HALTED, NOT_SHOWN_YET)
    ours, kvms = window.rate(guest, "kvm_halt_seconds_total"), window.kvm_halted(guest)
    verdict.check(abs(ours / kvms - 1) < AGREES,
                  f"{guest}: halted {ours:.4f} of the time, by KVM's own statistics {kvms:.4f}")
    user = window.rate(guest, "kvm_userspace_seconds_total")
    verdict.check(user < 0.01, f"{guest}: its VMM has it for {user:.5f} of the time")


def main():
    exporter_binary = sys.argv[1]
    qemu, kernel = os.environ["LAB_QEMU"], os.environ["LAB_KERNEL_DIR"]
    directory = pathlib.Path(tempfile.mkdtemp(prefix="kvmx-linux-guest-"))
    make_initramfs(directory)
    verdict = Verdict()
    exporter = Exporter(exporter_binary, 10193, f"--vm.linger={LINGER}s")
    guests = []
    for name, arguments in (("tickless", ""), ("ticking", "nohz=off")):
        # One after the other: two that boot at once on one CPU take ten times as long.
        guests.append(boot(name, arguments, qemu, kernel, directory))
        print(f"{name} is up at {time.monotonic():.0f} s", flush=True)
        verdict.check("lapic-deadline" in guests[-1].said(), f"{name} uses TSC_DEADLINE")
    time.sleep(SETTLE_SECONDS)
    window = Window(exporter, guests)
    check_guest(verdict, window, "ticking", HZ - 1, HZ + 2)
    check_guest(verdict, window, "tickless", 0, 20)
    bucket, share = window.tick("ticking")
    verdict.check(bucket == "0.0044" and share > TICK_SHARE,
                  f"ticking: {share:.3f} of its intervals are up to {bucket}, more than in any"
                  " other bucket")
    verdict.end()


main()
