#!/usr/bin/env python3
"""death_test.py EXPORTER GUEST: what becomes of counts when VMs end, and when there is no more room.

In an emulated AMD host, with room for two vCPUs: final counts stay for --vm.linger and then go,
their slots are used again and start from nothing, and a vCPU for which there is no room is reported,
while the others are counted as exactly as before.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from exporter import Exporter
from guests import Guests
from verdict import Verdict

LINGER = 5


def slots(page):
    return {state: page.sum("kvm_exporter_vcpu_slots", state=state)
            for state in ("used", "lingering", "free")}


def cpuids(page, name):
    return page.sum("kvm_exits_total", vm=name, reason="cpuid")


def check_death(verdict, exporter, guests):
    """Three VMs, one after the other: the third must take a slot that another one left."""
    for number, count in enumerate((111, 222, 333)):
        name = f"mortal-{number}"
        guests.run(name, "--program", "cpuid", "--count", count, "--vcpus", 2)
        ended = exporter.until(lambda page, n=name: slots(page)["lingering"] == 2
                               and page.sum("kvm_vm_info", vm=n))
        verdict.check(ended and cpuids(ended, name) == 2 * count,
                      f"{name} has ended: {cpuids(ended, name) if ended else None} exits of"
                      f" {2 * count} are kept")
        verdict.check(ended and slots(ended) == {"used": 0, "lingering": 2, "free": 0},
                      f"its slots linger: {slots(ended) if ended else None}")
        gone = exporter.until(lambda page: slots(page)["free"] == 2)
        left = [m for m in gone.samples if m.labels.get("vm") == name] if gone else None
        verdict.check(gone and not left and slots(gone)["lingering"] == 0,
                      f"after {LINGER} s it has no series, and its slots are free")


def check_full(verdict, exporter, guests):
    first = guests.hold("first", "--hold-before", "--hold-after", "--program", "cpuid", "--count",
                        500, "--vcpus", 2)
    guests.go_on(first)
    first.stdout.readline()
    page = exporter.scrape()
    verdict.check(cpuids(page, "first") == 1000 and slots(page)["free"] == 0,
                  f"the table is full: {slots(page)}")
    verdict.check(page.sum("kvm_exporter_events_lost_total", cause="table_full") == 0,
                  "nothing is lost yet")
    crowded = guests.hold("crowded", "--hold-before", "--hold-after", "--program", "cpuid",
                          "--count", 200)
    guests.go_on(crowded)
    crowded.stdout.readline()
    page = exporter.until(lambda page: page.sum("kvm_vm_vcpus", vm="crowded") == 1)
    lost = page.sum("kvm_exporter_events_lost_total", cause="table_full") if page else 0
    # Each of its exits has an entry before it.
    verdict.check(lost >= 2 * 200, f"of a VM without room {lost} events are reported as lost")
    verdict.check(page and cpuids(page, "crowded") is None and cpuids(page, "first") == 1000,
                  "it has no counts, and those of the others are unharmed")
    guests.go_on(first)
    guests.go_on(crowded)
    verdict.check(exporter.until(lambda page: slots(page)["free"] == 2), "room is made again")
    guests.run("after", "--program", "cpuid", "--count", 77)
    page = exporter.scrape()
    verdict.check(cpuids(page, "after") == 77, f"and used: {cpuids(page, 'after')} exits of 77")
    verdict.check(page.sum("kvm_exporter_events_lost_total", cause="table_full") == lost,
                  "nothing more is lost")


def main():
    guests, verdict = Guests(sys.argv[2]), Verdict()
    exporter = Exporter(sys.argv[1], 10194, "--bpf.max-vcpus=2", f"--vm.linger={LINGER}s")
    check_death(verdict, exporter, guests)
    check_full(verdict, exporter, guests)
    exporter.stop()
    exporter.log.seek(0)
    complaints = exporter.log.read().count("no room for more vCPUs")
    verdict.check(complaints == 1, f"the log says so {complaints} times")
    verdict.end()


main()
