#!/usr/bin/env python3
"""profile_linux_test.py EXPORTER GUEST: `profile` names a Linux guest's functions, wherever KASLR put them.

In an emulated AMD host whose clock counts instructions (--icount). An idle guest ticks (nohz=off)
and boots the host's own kernel, at a random place. The host's kernel is where it was linked to be,
so its /proc/kallsyms is the kernel's System.map.
"""

import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from exporter import Exporter
from linux_guest import boot, make_initramfs
from verdict import Verdict

SETTLE_SECONDS = 4
SHOWN = ("_text", "lapic_next_deadline", "native_write_msr", "default_idle", "pv_native_safe_halt",
         "native_safe_halt", "native_halt")
SHOW_KALLSYMS = f"/bin/busybox grep -E ' ({'|'.join(SHOWN)})$' /proc/kallsyms\n"
# What writes TSC_DEADLINE and what halts, by the names of several kernels.
TIMER = {"lapic_next_deadline", "native_write_msr"}
IDLE = {"default_idle", "pv_native_safe_halt", "native_safe_halt", "default_idle_call", "acpi_safe_halt"}


def kallsyms(text):
    """{name: address} of lines "ADDRESS TYPE NAME"."""
    return {name: int(address, 16)
            for address, name in re.findall(r"^([0-9a-f]{16}) \w (\S+)\r?$", text, re.M)}


def system_map():
    """The host's own functions, without its modules'."""
    lines = pathlib.Path("/proc/kallsyms").read_text().splitlines(keepends=True)
    return "".join(line for line in lines if "[" not in line)


def rebuilt(text):
    """The System.map of a kernel that is the same but for a function that is 4 KiB longer."""
    moved = kallsyms(text)["default_idle" if " default_idle\n" in text else "native_halt"] - 0x1000
    lines = []
    for line in text.splitlines():
        address = int(line[:16], 16)
        lines.append(f"{address + 0x1000 if address >= moved else address:016x}{line[16:]}\n")
    return "".join(lines)


def with_symbols(vmlinux, text):
    """An ELF file with the code of `vmlinux`, which has no symbols, and the symbols of a System.map."""
    elf = bytearray(vmlinux)
    offset, count, names = (struct.unpack_from("<Q", elf, 40)[0], *struct.unpack_from("<HH", elf, 60))
    headers = [elf[offset + 64 * i:offset + 64 * (i + 1)] for i in range(count)]
    strings, table = bytearray(b"\0"), bytearray(24)
    for address, kind, name in re.findall(r"^([0-9a-f]{16}) (\w) (\S+)$", text, re.M):
        if kind in "tTwW":
            table += struct.pack("<IBBHQQ", len(strings), 2, 0, 1, int(address, 16), 0)
            strings += name.encode() + b"\0"
    for kind, content, link in ((2, table, count + 1), (3, strings, 0)):
        headers.append(struct.pack("<IIQQQQIIQQ", 0, kind, 0, 0, len(elf), len(content), link, 0, 8,
                                   24 if kind == 2 else 0))
        elf += content
    struct.pack_into("<Q", elf, 40, len(elf))
    struct.pack_into("<HH", elf, 60, count + 2, names)
    return bytes(elf) + b"".join(headers)


class Test:
    def __init__(self, binary, directory):
        self.binary, self.directory = binary, directory
        self.verdict = Verdict()

    def start(self, *options):
        return subprocess.Popen([self.binary, "profile", "kaslr", "--duration=3s", *options], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def profiles(self, files):
        """The profiles with each of these symbols, {name: JSON}, and two tables. All count at the same time."""
        tables = [self.start(), self.start(f"--symbols={files['System.map']}")]
        running = {name: self.start("--json", f"--symbols={file}") for name, file in files.items()}
        for table in tables:
            print(*table.communicate(), flush=True)
        found = {}
        for name, process in running.items():
            out, error = process.communicate()
            if not self.verdict.check(process.returncode == 0, f"{name}: counted {error}"):
                continue
            found[name] = json.loads(out)
        return found

    def file(self, name, content):
        path = self.directory / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def check_names(self, what, profile, slide, own):
        print(profile["symbols"], flush=True)
        self.verdict.check(profile["slide"] == slide, f"{what}: the slide is {profile['slide']}, by the guest"
                           f" itself {slide}")
        leading = profile["places"][:2]
        names = {place.get("function") for place in leading}
        self.verdict.check(len(names & TIMER) == 1 and len(names & IDLE) == 1, f"{what}: {names} lead")
        for place in profile["places"]:
            if place.get("function") in own:
                at = int(place["rip"], 16) - place["offset"]
                self.verdict.check(at == own[place["function"]], f"{what}: {place['function']} is at {at:#x}")

    def check_refused(self, what, profile):
        self.verdict.check(profile["slide"] is None and "another kernel" in profile["symbols"]
                           and not any("function" in place for place in profile["places"]),
                           f"{what} is refused: {profile['symbols']}")


def main():
    qemu, kernel = os.environ["LAB_QEMU"], pathlib.Path(os.environ["LAB_KERNEL_DIR"])
    directory = pathlib.Path(tempfile.mkdtemp(prefix="kvmx-profile-"))
    make_initramfs(directory, SHOW_KALLSYMS)
    test = Test(sys.argv[1], directory)
    exporter = Exporter(test.binary, 10196)
    guest = boot("kaslr", "nohz=off", qemu, kernel, directory, kaslr=True)
    print(f"up at {time.monotonic():.0f} s:", guest.said(), flush=True)
    own, text = kallsyms(guest.said()), system_map()
    slide = own["_text"] - kallsyms(text)["_text"]
    test.verdict.check(slide != 0, f"KASLR has moved the guest's kernel by {slide:#x}")
    time.sleep(SETTLE_SECONDS)
    before = exporter.scrape()
    vmlinux = (kernel / "vmlinux").read_bytes()
    files = {"System.map": test.file("System.map", text),
             "vmlinux": test.file("vmlinux", with_symbols(vmlinux, text)),
             "stripped": kernel / "vmlinux",
             "rebuilt": test.file("rebuilt", rebuilt(text))}
    others = [other for other in sorted(kernel.parent.glob("*/vmlinux")) if other.parent.name != kernel.name]
    files |= {f"Linux {other.parent.name}": other for other in others}
    profiles = test.profiles(files)
    test.check_names("System.map", profiles["System.map"], slide, own)
    test.check_names("vmlinux", profiles["vmlinux"], slide, own)
    test.verdict.check(profiles["stripped"]["slide"] == slide,
                       f"a vmlinux without symbols: {profiles['stripped']['symbols']}")
    test.check_refused("the System.map of another build", profiles["rebuilt"])
    for other in others:
        test.check_refused(f"the vmlinux of {other.parent.name}", profiles[f"Linux {other.parent.name}"])
    page = exporter.scrape()
    deadlines = [scrape.sum("kvm_msr_accesses_total", vm="kaslr", op="write", msr="IA32_TSC_DEADLINE")
                 for scrape in (before, page)]
    rate = (deadlines[1] - deadlines[0]) / (page.start - before.start)
    test.verdict.check(249 <= rate <= 252, f"the exporter beside it counted {rate:.1f} ticks a second")
    guest.stop()
    test.verdict.end()


main()
