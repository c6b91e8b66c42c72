#!/usr/bin/env python3
"""scrapers_test.py EXPORTER GUEST: counts stay exact while four scrapers hammer.

In an emulated host. Each scrape takes a snapshot of its own, reads all slots that the kernel is
writing, and is asked for without a pause; the guests' own account and KVM's statistics must be met.
"""

import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from exporter import Exporter
from scrapers import check_scrapes, start_scrapers
from verdict import Verdict

PORT = 10188
# What each guest does, and what it calls the reason for which its exits are counted one by one.
GUESTS = {
    "cpuid": ("--program cpuid --vcpus 2 --count 2000", "cpuid", "cpuids"),
    "hypercall": ("--program hypercall --count 2000", "hypercall", "hypercalls"),
    "halt": ("--program deadline-halt --rate 100 --vcpus 2 --count 400", "hlt", "halts"),
}


def run_guests(binary):
    """What each guest says it did; all run at once."""
    running = {name: subprocess.Popen([binary, "--qemu-name", name, *options.split()],
                                      stdout=subprocess.PIPE, text=True)
               for name, (options, _, _) in GUESTS.items()}
    reports = {}
    for name, process in running.items():
        out, _ = process.communicate(timeout=500)
        assert process.returncode == 0, f"{name} failed"
        reports[name] = json.loads(out.splitlines()[-1])
    return reports


def vcpus_of(report):
    """A report is of one VM, or lists some."""
    return report["vms"][0]["vcpus"] if "vms" in report else report["vcpus"]


def compare(verdict, page, name, report):
    _, reason, counter = GUESTS[name]
    for vcpu in vcpus_of(report):
        where = {"vm": name, "vcpu": str(vcpu["vcpu"])}
        what = f"{name} vCPU {vcpu['vcpu']}"
        exits = page.sum("kvm_exits_total", **where)
        verdict.check(exits == vcpu["stats"]["exits"],
                      f"{what}: {exits} exits, by KVM {vcpu['stats']['exits']}")
        counted = page.sum("kvm_exits_total", reason=reason, **where)
        verdict.check(counted == vcpu["guest"][counter],
                      f"{what}: {counted} of {reason}, by the guest {vcpu['guest'][counter]}")
        for op in ("read", "write"):
            accesses = page.sum("kvm_msr_accesses_total", op=op, **where) or 0
            by_guest = sum(msr[op + "s"] for msr in vcpu["msrs"])
            verdict.check(accesses == by_guest, f"{what}: {accesses} MSR {op}s, by the guest {by_guest}")


def main():
    verdict = Verdict()
    exporter = Exporter(sys.argv[1], PORT)
    scrapers = start_scrapers(PORT)
    try:
        reports = run_guests(sys.argv[2])
    finally:
        check_scrapes(verdict, scrapers)
    page = exporter.scrape()
    for name, report in reports.items():
        compare(verdict, page, name, report)
    lost = page.sum("kvm_exporter_events_lost_total")
    missed = page.sum("kvm_exporter_probe_missed_total")
    verdict.check(lost == 0 and missed == 0, f"{lost} events lost, {missed} missed")
    verdict.end()


main()
