#!/usr/bin/env python3
"""pins_test.py EXPORTER GUEST: counting goes on while the exporter is down (--bpf.pin-dir).

In an emulated AMD host: killed in a storm beside a sleeping vCPU, stopped while VMs come and go,
refused beside another, started with other options, and over a pin directory that is incomplete,
corrupt or shared with others.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from exporter import Exporter
from guests import Guests
from halted import NOT_SHOWN_YET
from verdict import Verdict

PORT = 10212
PINS = pathlib.Path("/sys/fs/bpf/kvmx-test")
STORM = 60_000
# Programs that read kvm_amd's own variable hold that module (Features::svm_data).
HOLDS_AMD = os.environ["LAB_KERNEL"] == "6.1"
# A table that this host has no memory for, and other options besides.
TOO_MANY = ("--no-collector.halts", "--bpf.max-vcpus=1048576")


def cpuids(page, **labels):
    return page.sum("kvm_exits_total", reason="cpuid", **labels) or 0


def log_of(exporter):
    exporter.log.seek(0)
    return exporter.log.read()


def refused(binary, *flags):
    run = subprocess.run([binary, f"--web.listen-address=127.0.0.1:{PORT + 1}", *flags],
                         stderr=subprocess.PIPE, text=True, timeout=120)
    return run.returncode, run.stderr


def one_set():
    return next(PINS.glob("set_*"))


def stepped_back(before, after, vm):
    """Counters of a VM that are lower, or gone, in the second page. What is not counted by our programs starts anew:
    CPU times and polls in vain, which the kernel keeps."""
    def counters(page):
        return {(m.name, tuple(sorted(m.labels.items()))): m.value for m in page.samples
                if m.labels.get("vm") == vm and m.name.endswith(("_total", "_bucket", "_sum", "_count"))
                and not m.name.startswith(("kvm_vm_cpu_", "kvm_vcpu_", "kvm_halt_poll_failed_"))}
    now = counters(after)
    return [key for key, value in counters(before).items() if now.get(key, -1) < value]


class Pinned:
    """Starts exporters with pins, one after the other."""

    def __init__(self, binary):
        self.binary = binary

    def start(self, *flags):
        return Exporter(self.binary, PORT, f"--bpf.pin-dir={PINS}", "--bpf.max-vcpus=64", *flags)


def check_killed(verdict, pinned, guests):
    exporter = pinned.start()
    guests.start("asleep", "--program", "idle")
    storm = guests.hold("storm", "--hold-before", "--hold-after", "--program", "cpuid", "--count", STORM)
    exporter.until(lambda page: (page.sum("kvm_halt_seconds_total", vm="asleep") or 0) > 0.5)
    guests.go_on(storm)
    page = exporter.until(lambda page: cpuids(page, vm="storm") > 0)
    seen = cpuids(page, vm="storm")
    exporter.process.kill()
    exporter.process.wait()
    verdict.check(0 < seen < STORM, f"killed in the middle of a storm, after {seen} of {STORM} exits")
    time.sleep(1)
    exporter = pinned.start()
    page, before = exporter.scrape(), page
    again = cpuids(page, vm="storm")
    verdict.check(again > seen, f"counting has gone on meanwhile: {again}")
    for vm in ("storm", "asleep"):
        back = stepped_back(before, page, vm)
        verdict.check(not back, f"no counter of {vm} has stepped back {back}")
    slept = (page.sum("kvm_halt_seconds_total", vm="asleep")
             - before.sum("kvm_halt_seconds_total", vm="asleep"))
    low, high = page.start - before.end, page.end - before.start
    verdict.check(low - NOT_SHOWN_YET <= slept <= high,
                  f"asleep has slept on: {slept:.3f} s, of {low:.3f} to {high:.3f}")
    storm.stdout.readline()
    total = cpuids(exporter.scrape(), vm="storm")
    verdict.check(total == STORM, f"the total is exact: {total} of {STORM}")
    guests.go_on(storm)
    storm.wait()
    return exporter


def check_down(verdict, pinned, guests, exporter):
    ending = guests.hold("ending", "--hold-before", "--hold-after", "--repeat", 2, "--program", "cpuid",
                         "--count", 70)
    guests.go_on(ending)
    ending.stdout.readline()
    before = exporter.until(lambda page: cpuids(page, vm="ending") == 70)
    verdict.check(exporter.stop() == 0, "it ends well")
    guests.run("while-down", "--program", "cpuid", "--count", 555)
    for _ in range(4):
        guests.go_on(ending)
    ending.wait()
    exporter = pinned.start()
    page = exporter.scrape()
    grown = cpuids(page) - cpuids(before)
    verdict.check(grown == 555 + 70,
                  f"a VM that came and went while it was down, and one that ended: {grown} exits of 625")
    vcpus = {m.labels["vm"]: m.value for m in page.samples if m.name == "kvm_vm_vcpus"}
    verdict.check(vcpus == {"asleep": 1},
                  f"on the first page none of them has vCPUs, but the one that lives: {vcpus}")
    status, said = refused(pinned.binary, f"--bpf.pin-dir={PINS}")
    verdict.check(status == 1 and "another exporter uses" in said, "a second exporter is refused")
    exporter.stop()


def check_clean_start(verdict, pinned, what, words, *flags):
    exporter = pinned.start(*flags)
    page = exporter.scrape()
    verdict.check(cpuids(page) == 0, f"{what}: counters start again")
    verdict.check(words in log_of(exporter), f"{what}: the log says so")
    verdict.check(len(list(PINS.glob("set_*"))) == 1, f"{what}: one set is left")
    return exporter


def unload(module):
    """Whether it goes, or is not there."""
    return (not pathlib.Path("/sys/module", module).exists()
            or subprocess.run(["rmmod", module], check=False, stderr=subprocess.DEVNULL).returncode == 0)


def unload_kvm(patience):
    """Whether the module kvm goes, and kvm_amd before it; the kernel may let go of a link a little
    later."""
    deadline = time.monotonic() + patience
    while not (unload("kvm_amd") and unload("kvm")):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def check_unpin(verdict, pinned):
    verdict.check(unload("kvm_amd") != HOLDS_AMD, f"KVM's module for AMD is {'' if HOLDS_AMD else 'not '}held")
    verdict.check(not unload_kvm(1), "while there are pins KVM cannot be unloaded")
    status, _ = refused(pinned.binary, f"--bpf.pin-dir={PINS}", "--bpf.unpin")
    verdict.check(status == 0 and not list(PINS.glob("set_*")), "--bpf.unpin removes them")
    verdict.check(unload_kvm(20), "then it can")
    subprocess.run(["modprobe", "kvm_amd"], check=True)


def main():
    pinned, guests, verdict = Pinned(sys.argv[1]), Guests(sys.argv[2]), Verdict()
    exporter = check_killed(verdict, pinned, guests)
    check_down(verdict, pinned, guests, exporter)

    other = ("--no-collector.halts",)
    exporter = check_clean_start(verdict, pinned, "other options", "other programs or options", *other)
    guests.run("counted", "--program", "cpuid", "--count", 77)
    verdict.check(cpuids(exporter.scrape()) == 77, "and count")
    exporter.stop()
    status, said = refused(pinned.binary, f"--bpf.pin-dir={PINS}", *TOO_MANY)
    verdict.check(status == 1 and "cannot load" in said, "a start with too large a table fails")
    exporter = pinned.start(*other)
    verdict.check(cpuids(exporter.scrape()) == 77, "and costs nothing of what is pinned")
    exporter.stop()
    (one_set() / "complete").unlink()
    check_clean_start(verdict, pinned, "incomplete", "incomplete", *other).stop()
    (one_set() / "map_slots").unlink()
    subprocess.run(["bpftool", "map", "create", one_set() / "map_slots", "type", "array", "key", "4",
                    "value", "8", "entries", "64", "name", "slots"], check=True)
    check_clean_start(verdict, pinned, "another map", "the pinned map slots has another form",
                      *other).stop()
    exits, entries, aside = (one_set() / name
                             for name in ("link_kvm_exit", "link_kvm_entry", "aside"))
    for file, other_name in ((exits, aside), (entries, exits), (aside, entries)):
        file.rename(other_name)
    check_clean_start(verdict, pinned, "exchanged links", "runs another program", *other).stop()
    (one_set() / "map_slots").unlink()
    foreign = PINS / "foreign"
    foreign.mkdir()
    exporter = check_clean_start(verdict, pinned, "corrupt", "take over the pinned map slots", *other)
    verdict.check(f"{foreign} is not of this exporter" in log_of(exporter) and foreign.is_dir(),
                  "what is not its own is left alone, and named")
    exporter.stop()

    guests.stop()
    check_unpin(verdict, pinned)
    status, said = refused(pinned.binary, "--bpf.pin-dir=/tmp")
    verdict.check(status == 1 and "not on a BPF file system" in said, "another file system is refused")
    for count in (11, 22):
        exporter = Exporter(pinned.binary, PORT, "--bpf.max-vcpus=64")
        guests.run("unpinned", "--program", "cpuid", "--count", count)
        verdict.check(cpuids(exporter.scrape()) == count, f"without pins a start is a clean one: {count}")
        exporter.stop()
    shutil.rmtree(PINS)
    verdict.end()


main()
