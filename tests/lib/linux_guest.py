"""Real Linux guests: QEMU by KVM, with the emulated host's own kernel."""

import atexit
import os
import pathlib
import subprocess
import time

# Emulated time; a boot takes 4 to 10 s of it, and up to a minute of the machine's. The emulator now and
# then hangs a guest that boots, with or without an exporter; then it is started anew.
BOOT_SECONDS = 30
BOOTS = 3
LINGER = 5
# {more}: further commands, before it says that it is up.
INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox grep -h . /proc/cmdline /sys/devices/system/clockevents/clockevent0/current_device
{more}echo guest-is-up
while :; do /bin/busybox sleep 100000; done
"""


def make_initramfs(directory, more=""):
    tree = directory / "tree"
    for folder in ("bin", "dev", "proc", "sys"):
        (tree / folder).mkdir(parents=True)
    (tree / "bin" / "busybox").write_bytes(pathlib.Path("/bin/busybox").read_bytes())
    (tree / "init").write_text(INIT.replace("{more}", more))
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
    """`kaslr`: it boots the packed kernel, which puts itself at a random place."""

    def __init__(self, name, arguments, qemu, kernel, directory, kaslr=False):
        self.name = name
        image, slide = ("vmlinuz", "") if kaslr else ("vmlinux", "nokaslr ")
        self.seconds = BOOT_SECONDS * (4 if kaslr else 1)
        self.console = directory / f"{name}.console"
        self.process = subprocess.Popen(
            [f"{qemu}/usr/bin/qemu-system-x86_64", "-name", f"guest={name}",
             "-L", f"{qemu}/usr/share/qemu", "-M", "microvm,accel=kvm,x-option-roms=off",
             "-bios", "qboot.rom", "-cpu", "host,+tsc-deadline,+x2apic", "-m", "256" if kaslr else "128",
             "-nodefaults", "-no-user-config", "-display", "none",
             "-serial", f"file:{self.console}", "-kernel", f"{kernel}/{image}",
             "-initrd", str(directory / "initramfs"),
             "-append", f"console=ttyS0 quiet {slide}mitigations=off audit=0 lsm=capability "
             + arguments])
        atexit.register(self.process.kill)

    def is_up(self):
        """Whether it boots in time."""
        deadline = time.monotonic() + self.seconds
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


def boot(*what, kind=Guest, **how):
    """Guests that boot nested in an emulator hang at times, before Linux says a word."""
    for _ in range(BOOTS):
        guest = kind(*what, **how)
        if guest.is_up():
            return guest
        print(f"{guest.name} did not boot in {guest.seconds} s: {guest.said()[-2000:]!r}", flush=True)
        guest.stop()
        guest.console.unlink(missing_ok=True)
        # Its counts are those of another VM: they shall not linger under its name.
        time.sleep(LINGER + 2)
    raise SystemExit(f"FAILED: {what[0]} did not boot, {BOOTS} times")
