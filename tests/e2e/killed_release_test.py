#!/usr/bin/env python3
"""killed_release_test.py EXPORTER GUEST PRELOAD: no slot is lost for good by a kill at its release.

With pins. PRELOAD kills an exporter where it has wiped the slot of a VM that ended and is about to offer
it. Each exporter after that takes over what is pinned; in the end every slot is used, or offered once. On
this machine's KVM, or in an emulated host.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from exporter import PATIENCE, Exporter
from guests import Guests
from verdict import Verdict, need_kvm

PORT = 10176
PINS = pathlib.Path("/sys/fs/bpf/kvmx-release")
SLOTS, VCPUS, RETURNS = 64, 4, 10
PREFIX = f"release-{os.getpid()}-"


class Table:
    """The slots as they are pinned, while nobody uses them but the kernel."""

    def __init__(self):
        self.set = next(PINS.glob("set_*"))

    def bpftool(self, *words):
        return subprocess.run(["bpftool", "--json", "map", *words], stdout=subprocess.PIPE, check=False)

    def take_offered(self):
        """Empties the queue; what was in it."""
        taken = []
        while True:
            run = self.bpftool("dequeue", "pinned", str(self.set / "map_free_slots"))
            value = json.loads(run.stdout).get("value") if run.returncode == 0 else None
            if not value:
                return taken
            taken.append(int.from_bytes(bytes(int(byte, 16) for byte in value), "little"))

    def offer(self, indices):
        for index in indices:
            self.bpftool("enqueue", "pinned", str(self.set / "map_free_slots"), "value",
                         *map(str, index.to_bytes(4, "little")))

    def used(self):
        """Slots that have an owner."""
        slots = json.loads(self.bpftool("dump", "pinned", str(self.set / "map_slots")).stdout)
        return [slot["formatted"]["key"] for slot in slots if slot["formatted"]["value"]["tgid"]]


def start(binary, **environment):
    words = [f"{name}={value}" for name, value in environment.items()]
    return Exporter(binary, PORT, f"--bpf.pin-dir={PINS}", f"--bpf.max-vcpus={SLOTS}", "--vm.linger=1s",
                    prefix=("env", *words) if words else ())


def run_guest(guests, exporter, name, vcpus):
    """A guest that ends once all that its vCPUs did is on the page."""
    vm = guests.hold(PREFIX + name, "--hold-before", "--hold-after", "--program", "pio", "--count", RETURNS,
                     "--vcpus", vcpus)
    guests.work(vm)
    page = exporter.until(lambda page: (page.sum("kvm_userspace_exits_total", vm=PREFIX + name,
                                                 reason="KVM_EXIT_IO") or 0) >= RETURNS * vcpus)
    guests.go_on(vm)
    vm.wait(60)
    return page


def log_of(exporter):
    return pathlib.Path(f"/proc/self/fd/{exporter.log.fileno()}").read_text()


def wait_for(holds):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.2)
    return False


def check_killed_at_release(verdict, binary, guests, preload):
    """An exporter that is killed as it releases the first slot of a VM: there is one that it has wiped."""
    exporter = start(binary, LD_PRELOAD=preload, KILL_AT_RELEASE=SLOTS)
    verdict.check(run_guest(guests, exporter, "ended", VCPUS), "a VM is counted, and ends")
    died = wait_for(lambda: exporter.process.poll() is not None)
    verdict.check(died and exporter.process.returncode == -signal.SIGKILL,
                  f"the exporter is killed as it releases a slot of it: {exporter.process.returncode}")


def check_killed_at_start(verdict, binary, preload):
    """One that is killed as it looks which slots are free: it has one in its hands."""
    command = [binary, f"--web.listen-address=127.0.0.1:{PORT}", f"--bpf.pin-dir={PINS}",
               f"--bpf.max-vcpus={SLOTS}"]
    run = subprocess.run(command, env=os.environ | {"LD_PRELOAD": preload, "KILL_AT_RELEASE": "0"},
                         stderr=subprocess.DEVNULL, check=False, timeout=PATIENCE)
    verdict.check(run.returncode == -signal.SIGKILL, f"so is the next, as it starts: {run.returncode}")


def main():
    need_kvm()
    if not PINS.parent.is_mount():
        subprocess.run(["mount", "-t", "bpf", "bpf", PINS.parent], check=True)
    binary, guests, preload, verdict = sys.argv[1], Guests(sys.argv[2]), sys.argv[3], Verdict()
    shutil.rmtree(PINS, ignore_errors=True)
    check_killed_at_release(verdict, binary, guests, preload)
    check_killed_at_start(verdict, binary, preload)
    exporter = start(binary)
    freed = "about to free when it was killed are free: 2"
    verdict.check(wait_for(lambda: freed in log_of(exporter)), "the one after that frees both slots that were lost")
    page = run_guest(guests, exporter, "after", VCPUS)
    verdict.check(page and page.sum("kvm_exporter_events_lost_total", cause="table_full") == 0,
                  "a VM that comes then is counted")
    released = wait_for(lambda: not exporter.scrape().sum("kvm_exporter_vcpu_slots", state="lingering"))
    verdict.check(released, "and released")
    exporter.process.kill()
    exporter.process.wait()
    table = Table()
    offered, used = table.take_offered(), table.used()
    table.offer(offered)
    verdict.check(len(offered) == len(set(offered)), f"{len(offered)} slots are offered, each once")
    lost = set(range(SLOTS)) - set(offered) - set(used)
    verdict.check(not lost, f"no slot is lost, {len(used)} are used: {sorted(lost)}")
    verdict.check(not set(offered) & set(used), "and none is offered that is used")
    shutil.rmtree(PINS)
    verdict.end()


main()
