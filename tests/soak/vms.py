"""The VMs of a soak: known ones, which say what they did, and those that play tricks."""

import json
import pathlib
import random
import subprocess
import time
from collections import Counter

from clients import Worker
from counts import exported_counts, guest_counts
from exporter import PATIENCE
from guests import Guests


# Programs that end by themselves, and which do exactly what they are told.
PROGRAMS = [("cpuid", "--count", 1500), ("pio", "--count", 400), ("mmio", "--count", 300),
            ("deadline-halt", "--count", 300, "--rate", 400),
            ("tmict-halt", "--count", 200, "--rate", 300),
            ("random-msr", "--count", 400, "--indices", 30, "--deadlines", 20),
            ("deadline-spin", "--count", 100, "--rate", 1000)]
SHAPES = [(), ("--vcpus", 2), ("--vcpus", 3, "--parked", 1)]
# A KVM in software may not answer hypercalls. And only exits, or KVM itself, tell which vCPU a thread runs now:
# elsewhere a timer's events do, if there are any, and a little later.
REAL = [("hypercall", "--count", 700), ("wrmsr", "--count", 200, "--msr", 0x4b564d01, "--value", 0)]
MOVING = [("--vcpus", 2, "--swap-threads", 5), ("--vcpus", 2, "--one-thread")]
# What each trick is called, and the reason for which its KVM_RUN returns as often as it says.
TRICKS = {"rename": "KVM_EXIT_IO", "other-process": "KVM_EXIT_IO", "restore": "KVM_EXIT_IO",
          "short": None, "closed": None, "threads": None, "two-vms": None}


def has_exits(page):
    return any(m.name == "kvm_exits_total" for m in page.samples)


def compare(target, name, report):
    """Waits until the page says of this VM what it and KVM say; a fault if it does not come to that. And what
    it did."""
    counts = guest_counts(report["vms"][0])
    without_exits = Counter({key: count for key, count in counts.items() if key[1] != "exits"})
    deadline = time.monotonic() + PATIENCE
    while True:
        page, _ = target.page()
        want = counts if has_exits(page) else without_exits
        got = exported_counts([m for m in page.samples if m.labels.get("vm") == name])
        if got == want:
            return None, want
        if time.monotonic() > deadline:
            differ = {key: (got[key], want[key]) for key in got | want if got[key] != want[key]}
            return f"{name} ({report['program']}): (exported, its own) {differ}", want
        time.sleep(0.5)


class Known(Worker):
    """One known guest after the other. `real`: KVM uses the hardware's virtualisation."""

    def __init__(self, target, guest, prefix, pause, real):
        super().__init__(pause)
        self.target, self.guests, self.prefix, self.sums = target, Guests(guest), prefix, Counter()
        self.programs, self.shapes = (PROGRAMS + REAL, SHAPES + MOVING) if real else (PROGRAMS, SHAPES)

    def step(self):
        program, *options = random.choice(self.programs)
        shape = random.choice(self.shapes)
        name = f"{self.prefix}-{self.count}"
        vm = self.guests.hold(name, "--hold-before", "--hold-after", "--program", program, *options,
                              *shape)
        fault, counts = compare(self.target, name, self.guests.work(vm))
        if fault:
            self.blame(f"{fault} {shape}")
        self.sums += Counter({what: sum(n for key, n in counts.items() if key[1] == what)
                              for what in ("exits", "userspace exits", "read", "write")})
        self.guests.go_on(vm)
        vm.wait()
        self.guests.running.remove(vm)
        self.count += 1


class Steady:
    """A known guest that ticks for so many seconds."""

    def __init__(self, guest, name, seconds, *options):
        self.name = name
        self.guests = Guests(guest)
        self.vm = self.guests.hold(name, "--hold-before", "--hold-after", "--count", 0, "--duration", seconds,
                                   *options)
        self.guests.go_on(self.vm)

    def compare(self, target):
        """See compare()."""
        result = compare(target, self.name, json.loads(self.vm.stdout.readline()))
        self.guests.go_on(self.vm)
        self.vm.wait()
        return result


class Tricks(Worker):
    """One trick after the other; counted like any other VM."""

    def __init__(self, target, binary, pause):
        super().__init__(pause)
        self.target, self.binary = target, binary

    def step(self):
        trick = random.choice(list(TRICKS))
        with subprocess.Popen([self.binary, trick, "5"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as process:
            said = int(process.stdout.readline())
            # A child of it has ended, and is there until its parent looks.
            path = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
            pids = {str(process.pid), *path.read_text().split()}
            if TRICKS[trick]:
                self.check(trick, pids, said)
            process.stdin.close()
        self.count += 1

    def check(self, trick, pids, said):
        deadline = time.monotonic() + PATIENCE
        while True:
            page, _ = self.target.page()
            labels = {m.labels["vm"] for m in page.samples
                      if m.name == "kvm_vm_info" and m.labels["pid"] in pids}
            got = sum(page.sum("kvm_userspace_exits_total", vm=label, reason=TRICKS[trick]) or 0
                      for label in labels)
            if got == said:
                return
            if time.monotonic() > deadline:
                self.blame(f"{trick}: {got} of {said} returns, of {labels}")
                return
            time.sleep(0.5)
