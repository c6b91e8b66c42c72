"""churn_test.py EXPORTER GUEST: VMs come and go by the hundred, and nothing is lost, leaked or left.

In an emulated AMD host. Tiny guests, two at a time, many more of them than there are slots. The
last counts of every VM, as scraped while it lingers, are what KVM and the guest say; afterwards no
slot is in use, no map has an entry, and the exporter has no more descriptors or memory than it had
after the first of them. KVMX_FULL=1 makes 400 VMs, KVMX_CHURN=10000 so many.
"""

import json
import os
import pathlib
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from bpf_maps import map_entries
from counts import exported_counts, guest_counts
from exporter import Exporter
from verdict import Verdict

VMS = int(os.environ.get("KVMX_CHURN", "400" if "KVMX_FULL" in os.environ else "120"))
WARM_UP = 40
SLOTS = 128
LINGER = 6
SCRAPE_EVERY = 0.5
SPAWNERS = 2
VCPUS_AT_MOST = 3
COMM = "qemu-system-x86"
VMS_A_SCRAPE = 8  # at most, so that a slow machine too sees each while it lingers
MAPS = ("slot_of_vcpu", "slot_of_thread", "vm_processes", "vcpu_makers", "vcpus_by_id")
RESIDENT_MAY_GROW = 2048  # KiB: a heap settles at 12 MB, from 10.8 to 11.6 after the first hundred


def vms_of(page):
    """{VM: what it did, as exported_counts()}."""
    samples = defaultdict(list)
    for sample in page.samples:
        if "vm" in sample.labels:
            samples[sample.labels["vm"]].append(sample)
    return {vm: counts for vm, of_vm in samples.items() if (counts := exported_counts(of_vm))}


def free_slots(page):
    return int(page.sum("kvm_exporter_vcpu_slots", state="free"))


class Scraper:
    """The last counts of each VM; no VM may come back, nor count back."""

    def __init__(self, exporter):
        self.exporter = exporter
        self.now, self.last = {}, {}
        self.faults = []
        self.scrapes = 0

    def scrape(self):
        page = self.exporter.scrape()
        self.scrapes += 1
        vms = vms_of(page)
        shown = {sample.labels["vm"] for sample in page.samples if "vm" in sample.labels}
        self.faults += [f"{label} has series, but no counts any more"
                        for label in shown & self.last.keys() - vms.keys()]
        for label, counts in vms.items():
            if label in self.last and label not in self.now:
                self.faults.append(f"{label} came back")
            before = self.now.get(label, {})
            if any(counts[kind] < count for kind, count in before.items()):
                self.faults.append(f"{label} had {before}, has {counts}")
        self.now = vms
        self.last.update(vms)
        return page


class Pace:
    """Lets so many VMs start until the next scrape, and no more than there are slots for."""

    def __init__(self):
        self.left, self.changed = 0, threading.Condition()

    def start_one(self):
        with self.changed:
            self.changed.wait_for(lambda: self.left > 0)
            self.left -= 1

    def scraped(self, free):
        with self.changed:
            # Those that have started may have no slot yet.
            self.left = min(VMS_A_SCRAPE, free // VCPUS_AT_MOST - SPAWNERS)
            self.changed.notify_all()


class Spawner(threading.Thread):
    """One guest after the other; what they and KVM say: {(name, pid): counts}."""

    def __init__(self, guest, numbers, pace):
        super().__init__()
        self.guest, self.numbers, self.pace, self.own_counts = guest, numbers, pace, {}

    def run(self):
        for number in self.numbers:
            self.pace.start_one()
            name = f"churn-{number}"
            process = subprocess.Popen(
                [self.guest, "--qemu-name", name, "--vcpus", str(1 + number % VCPUS_AT_MOST),
                 "--program", "random-msr", "--indices", "4", "--deadlines", "1",
                 "--count", str(20 + number % 50)],
                stdout=subprocess.PIPE, text=True)
            report = process.communicate()[0]
            if process.returncode != 0:
                raise RuntimeError(f"{name} ended with {process.returncode}")
            self.own_counts[name, process.pid] = guest_counts(json.loads(report)["vms"][0])
            if number % 500 == 499:
                print(f"{number + 1} of {VMS} VMs", flush=True)


def churn(scraper, guest, numbers):
    """Makes these VMs, and scrapes until none of them is exported; the last page, and the guests' own counts."""
    pace = Pace()
    spawners = [Spawner(guest, numbers[part::SPAWNERS], pace) for part in range(SPAWNERS)]
    for spawner in spawners:
        spawner.start()
    while any(spawner.is_alive() for spawner in spawners) or scraper.now:
        page = scraper.scrape()
        pace.scraped(free_slots(page))
        time.sleep(SCRAPE_EVERY)
    # A slot is offered again a moment after it is taken from its VM.
    page = scraper.exporter.until(lambda page: free_slots(page) == SLOTS, 30) or page
    return page, {of: counts for spawner in spawners for of, counts in spawner.own_counts.items()}


def by_label(own_counts, labels):
    """A VM that ends before a slow host's exporter has time to read who it is has its label by its pid."""
    return {name if name in labels else f"{COMM}-{pid}": counts for (name, pid), counts in own_counts.items()}


def entries_left():
    """Of each map, once they are none or a while has passed: on a busy host it is looked but every ten seconds."""
    deadline = time.monotonic() + 40
    while True:
        left = {name: len(map_entries(name)) for name in MAPS}
        if not any(left.values()) or time.monotonic() > deadline:
            return left
        time.sleep(1)


def used(exporter):
    """Descriptors, and KiB of memory, of the exporter."""
    return exporter.open_files(), exporter.status("VmRSS")


def main():
    exporter, guest, verdict = Exporter(sys.argv[1], 10214, f"--bpf.max-vcpus={SLOTS}",
                                        f"--vm.linger={LINGER}s"), sys.argv[2], Verdict()
    scraper = Scraper(exporter)
    _, first = churn(scraper, guest, range(WARM_UP))
    before = used(exporter)
    page, want = churn(scraper, guest, range(WARM_UP, VMS))
    after = used(exporter)

    want = by_label(want | first, scraper.last.keys())
    verdict.check(len(want) == VMS, f"{len(want)} VMs came and went, in {scraper.scrapes} scrapes")
    wrong = [f"{vm}: {dict(scraper.last.get(vm, {}))}, the guest's own {dict(counts)}"
             for vm, counts in want.items() if scraper.last.get(vm) != counts]
    verdict.check(not wrong and scraper.last.keys() == want.keys(),
                  f"each one's last counts are its own, {sum(want.values(), Counter())['', 'exits']} exits"
                  f" together; not so: {len(wrong)} {wrong[:5]};"
                  f" nobody's: {[(vm, dict(scraper.last[vm])) for vm in sorted(scraper.last.keys() - want.keys())[:5]]}")
    named = sum(vm.startswith("churn-") for vm in want)
    verdict.check(named >= VMS // 2, f"{named} of {VMS} are known by name: all, but for what ends unread on a slow host")
    verdict.check(not scraper.faults, f"none comes back, or counts back: {scraper.faults[:5]}")
    free = free_slots(page)
    verdict.check(free == SLOTS, f"{free} slots of {SLOTS} are free")
    left = entries_left()
    verdict.check(not any(left.values()), f"entries left in maps: {left}")
    lost = page.sum("kvm_exporter_events_lost_total")
    verdict.check(lost == 0, f"{lost:.0f} events are lost")
    verdict.check(after[0] == before[0] and after[1] - before[1] <= RESIDENT_MAY_GROW,
                  f"descriptors and KiB were {before}, are {after}")
    verdict.end()


main()
