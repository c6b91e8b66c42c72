#!/usr/bin/env python3
"""soak.py EXPORTER GUEST TRICKS [SECONDS] [SEED]: everything at once, for an hour.

On this machine's KVM, or in an emulated host, which alone has exits. VMs come and go, some of which do
what few do; clients scrape in all forms, say nothing, read slowly or send what is no request; the web
configuration changes all the time; and the exporter is killed and started again while what counts is
pinned. At the end every count of every known guest was what the guest and KVM say, no counter has
stepped back, nothing is lost, and the exporter has the descriptors and the memory that it had.
"""

import os
import pathlib
import random
import shutil
import signal
import sys
import time
from collections import Counter

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from clients import FORMS, Bores, Killer, Noise, Reloader, Scraper, Watcher
from target import PINS, STARTS_WITHIN, Target
from verdict import Verdict, need_kvm
from vms import Known, Steady, Tricks

# An emulated host is slow, and has all of its VMs from here.
LAB = "LAB_ISA" in os.environ
SLOTS = 4096  # where KVM does not tell of its vCPUs, a trick with 400 threads takes one for each
LINGER = 10
KILLED_EVERY = 60 if LAB else 20
CALM = 0.3  # the last part, in which nobody kills it: what it then needs shows whether it leaks
GIVES_BACK = 65  # seconds, at most, until free memory is the kernel's again
# KiB, from its start to its end: pages of slots, and of a heap what lies between.
MAY_GROW = 8192 + 8192


def start_all(target, guest, tricks):
    slower = 5 if LAB else 1
    workers = {
        "watcher": [Watcher(target, 1 * slower, LAB)],
        "scrapers": [Scraper(target, form, 0.2 * slower) for form in FORMS],
        "bores": [Bores(target, 8 if LAB else 40)],
        "noise": [Noise(target, 0.1 * slower)],
        "reloads": [Reloader(target, 3 * slower)],
        "known guests": [Known(target, guest, f"soak-{i}", 0.1, LAB) for i in range(1 if LAB else 2)],
        "tricks": [Tricks(target, tricks, 1)],
        "kills": [Killer(target, KILLED_EVERY)],
    }
    for group in workers.values():
        for worker in group:
            worker.start()
    return workers


def wait_for_all(workers):
    """Until each has done something: on a busy machine an emulated host does little in its time."""
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline and not all(w.count for group in workers.values() for w in group):
        time.sleep(1)


def stop(workers):
    """Ends them and waits for what they are at."""
    for worker in workers:
        worker.stop()
    for worker in workers:
        worker.join()


def idle(target):
    """Waits until no VM of ours is shown any more; what the exporter uses once it has given back its heap."""
    deadline = time.monotonic() + 4 * LINGER + (300 if LAB else 60)
    while time.monotonic() < deadline:
        page, _ = target.page()
        if not any(m.labels.get("vm", "").startswith("soak-") for m in page.samples):
            break
        time.sleep(1)
    time.sleep(GIVES_BACK)
    return page, target.used()


def report(verdict, workers, steady, page, before, after):
    for name, group in workers.items():
        faults = [fault for worker in group for fault in worker.faults]
        counts = [worker.count for worker in group]
        verdict.check(not faults and all(counts), f"{name}: {counts}; faults: {len(faults)} {faults[:5]}")
    watcher, = workers["watcher"]
    sums = sum((known.sums for known in workers["known guests"]), Counter())
    for _, counts in steady:
        for (_, what), count in counts.items():
            sums[what] += count
    faults = [fault for fault, _ in steady if fault]
    verdict.check(not faults, f"guests that ran all the time: {len(steady)}; faults: {faults}")
    guests = sum(known.count for known in workers["known guests"]) + len(steady)
    what = "exits by KVM and by the exporter" if sums["exits"] else "no exits here, where kvm_exit never fires"
    print(f"{guests} known guests, each count of each the same: {sums['exits'] or ''} {what};"
          f" {sums['read'] + sums['write']} MSR accesses, {sums['userspace exits']} returns to the VMM")
    print(f"{len(watcher.vms)} VMs were shown, on {watcher.count} pages of up to {watcher.series} series;"
          f" the slowest scrape took {max(s.longest for s in workers['scrapers']):.2f} s")
    lost = page.sum("kvm_exporter_events_lost_total")
    missed = page.sum("kvm_exporter_probe_missed_total")
    verdict.check(lost == 0, f"{lost:.0f} events are lost; {missed} runs of programs missed")
    if LAB:
        used = page.sum("kvm_exporter_vcpu_slots", state="used")
        verdict.check(used == 0, f"{used:.0f} slots are in use")
    verdict.check(after[0] == before[0] and after[1] - before[1] <= MAY_GROW,
                  f"idle, it had {before[0]} descriptors and {before[1]} KiB; now {after[0]} and {after[1]}")


def main():
    need_kvm()
    exporter, guest, tricks = sys.argv[1:4]
    seconds = float(sys.argv[4]) if len(sys.argv) > 4 else 3600
    seed = int(sys.argv[5]) if len(sys.argv) > 5 else random.randrange(1 << 32)
    print(f"{seconds:.0f} s, seed {seed}", flush=True)
    random.seed(seed)
    verdict = Verdict()
    shutil.rmtree(PINS, ignore_errors=True)
    target = Target(exporter, 10219, f"--bpf.max-vcpus={SLOTS}", f"--vm.linger={LINGER}s")
    # As it is for most of the time: one that has taken over what was pinned.
    target.end(signal.SIGTERM)
    target.start()
    _, before = idle(target)
    workers = start_all(target, guest, tricks)
    ticking = [Steady(guest, "soak-steady-1", seconds, "--program", "deadline-halt", "--rate", 100, "--vcpus", 2),
               Steady(guest, "soak-steady-2", seconds, "--program", "tmict-halt", "--rate", 25)]
    time.sleep(seconds * (1 - CALM))
    wait_for_all(workers)
    stop(workers["kills"])
    _, loaded = target.page(), target.used()
    time.sleep(seconds * CALM)
    print(f"in the calm, under load: {loaded} descriptors and KiB, then {target.used()}", flush=True)
    stop(workers["known guests"] + workers["tricks"])
    steady = [guest.compare(target) for guest in ticking]
    stop([worker for name in ("watcher", "scrapers", "bores", "noise", "reloads") for worker in workers[name]])
    page, after = idle(target)
    report(verdict, workers, steady, page, before, after)
    verdict.check(target.end(signal.SIGTERM) == 0, "it ends well")
    shutil.rmtree(PINS)
    verdict.end()


main()
