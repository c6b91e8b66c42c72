"""firmware_test.py EXPORTER GUEST: a storm of one MSR, behind SeaBIOS.

In an emulated AMD host. QEMU boots SeaBIOS, which sets the MTRRs of each vCPU up and so touches more
MSRs than a slot has places for. Then it boots a disk whose boot sector reads one MSR for ever. That MSR
has to be on the page by its index, and the page has to stay as it is.
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
from verdict import Verdict

SEABIOS = "/usr/share/seabios/bios-256k.bin"  # Debian's seabios
FAMILY = "kvm_msr_accesses_total"
STORM = 0x17  # IA32_PLATFORM_ID, which KVM answers with 0
NAMES = 8     # names a vCPU for MSRs without a counter of their own, see bpf/vcpu_slot.h
MANY = 5000   # accesses under its name
VCPUS = 2
# Each may be in an exit for an MSR whose access is not counted yet.
IN_FLIGHT = VCPUS
BOOT_SECONDS = 150
BOOTS = 3
LINGER = 5
FIRMWARE_READS = 10  # at most
STILL = 20    # pages, a second apart, without a read between them: the guest hangs


def boot_sector():
    code = bytes.fromhex("66b9") + STORM.to_bytes(4, "little")  # mov ecx, STORM
    code += bytes.fromhex("0f32" "ebfc")                        # rdmsr, again and again
    return code.ljust(510, b"\0") + b"\x55\xaa"


def start_guest(directory):
    disk = directory / "disk"
    disk.write_bytes(boot_sector().ljust(1 << 20, b"\0"))
    qemu = os.environ["LAB_QEMU"]
    process = subprocess.Popen(
        [f"{qemu}/usr/bin/qemu-system-x86_64", "-name", "guest=behind-seabios",
         "-L", f"{qemu}/usr/share/qemu", "-M", "pc,accel=kvm,hpet=off", "-bios", SEABIOS, "-cpu", "host",
         "-smp", str(VCPUS), "-m", "32", "-nodefaults", "-no-user-config", "-display", "none",
         "-drive", f"file={disk},format=raw,if=ide,snapshot=on"])
    atexit.register(process.kill)
    return process


def msrs(page, **labels):
    """{(vCPU, operation, MSR, its index): accesses}."""
    return {(m.labels["vcpu"], m.labels["op"], m.labels["msr"], m.labels["index"]): m.value
            for m in page.samples if m.name == FAMILY
            and all(m.labels[label] == value for label, value in labels.items())}


def counted_alone(series):
    """Those that have no counter of their own, a vCPU and operation."""
    found = {}
    for vcpu, op, msr, index in series:
        if msr in ("unknown", "other") or "MTRR" in msr or index == hex(STORM):
            found.setdefault((vcpu, op), set()).add(index)
    return found


def stands_still(pages):
    reads = [page.sum(FAMILY, op="read") or 0 for page in pages[-STILL:]]
    return len(reads) == STILL and reads[0] == reads[-1]


def storm(exporter):
    """The pages of one guest; none if the emulator hung it, in its firmware or in its storm, as it does now
    and then: a storm that goes on without a name is no such case."""
    guest = start_guest(pathlib.Path(tempfile.mkdtemp(prefix="kvmx-firmware-")))
    pages, deadline = [exporter.scrape()], time.monotonic() + BOOT_SECONDS
    while (pages[-1].sum(FAMILY, index=hex(STORM)) or 0) < MANY:
        began = (pages[-1].sum(FAMILY, op="read") or 0) > FIRMWARE_READS
        if time.monotonic() > deadline or guest.poll() is not None or (began and stands_still(pages)):
            break
        time.sleep(1)
        pages.append(exporter.scrape())
    guest.kill()
    guest.wait()
    if stands_still(pages):
        print(f"the guest hangs after {pages[-1].sum(FAMILY, op='read')} reads of MSRs", flush=True)
        exporter.until(lambda page: page.sum(FAMILY) is None)
        return []
    return [*pages, exporter.scrape()]


def main():
    verdict = Verdict()
    exporter = Exporter(sys.argv[1], 10219, f"--vm.linger={LINGER}s")
    pages = next(filter(None, (storm(exporter) for _ in range(BOOTS))), None)
    if not pages:
        raise SystemExit(f"FAILED: the guest hung {BOOTS} times")
    name = {"index": hex(STORM)}
    first = {vcpu: index for page in pages for vcpu, _, msr, index in msrs(page) if "MTRR" in msr}
    verdict.check(len(first) == VCPUS, f"firmware set the MTRRs of {len(first)} vCPUs up")
    last = pages[-1]
    verdict.check((last.sum(FAMILY, **name) or 0) >= MANY,
                  f"{last.sum(FAMILY, **name)} accesses to {hex(STORM)} by its index: {msrs(last)}")
    back = [(key, was, now[key]) for before, now in zip(map(msrs, pages), map(msrs, pages[1:]))
            for key, was in before.items() if now.get(key, was) < was]
    verdict.check(not back, f"no series has stepped back in {len(pages)} pages {back}")
    exits, accesses = last.sum("kvm_exits_total", reason="msr"), last.sum(FAMILY)
    verdict.check(0 <= exits - accesses <= IN_FLIGHT,
                  f"{exits:.0f} exits for {accesses:.0f} accesses")
    most = max(map(len, counted_alone(msrs(last)).values()))
    verdict.check(most <= NAMES + 1, f"{most} series at most, a vCPU and operation")
    verdict.check(last.sum("kvm_exporter_events_lost_total") == 0, "nothing is lost")
    verdict.end()


main()
