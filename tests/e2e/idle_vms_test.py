#!/usr/bin/env python3
"""idle_vms_test.py EXPORTER GUEST: VMs and vCPUs are known while they exist, whether or not they run.

A VM that never ran is there at the exporter's start and when it comes, with all its vCPUs; events
of its other threads are its own; vCPUs that are plugged in later are counted, and a VM that ends
while its process lives on is noticed. On this machine's KVM, or in an emulated host.
"""

import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from exporter import Exporter
from guests import Guests
from tracing import mount_tracefs
from verdict import Verdict, need_kvm, skip

IRQS = 40
ALONE = "LAB_ISA" in os.environ  # on this machine others may run VMs, too
PREFIX = f"idle-{os.getpid()}-"


def check_limit(verdict, binary, guests):
    """There are no more of those that never ran than slots."""
    exporter = Exporter(binary, 10186, "--bpf.max-vcpus=10")
    idle = [guests.hold(f"{PREFIX}limit-{number}", "--hold-before", "--program", "cpuid", "--count", 1)
            for number in range(20)]
    left_out = lambda page: page.sum("kvm_exporter_events_lost_total", cause="vm_limit")

    def shown_in(page):
        return sum(1 for m in page.samples
                   if m.name == "kvm_vm_info" and m.labels["vm"].startswith(PREFIX + "limit-"))
    # One that has no name yet is not exported.
    page = (exporter.until(lambda page: left_out(page) >= 10 and (shown_in(page) >= 10 or not ALONE))
            or exporter.scrape())
    shown = shown_in(page)
    verdict.check(shown == 10 or (shown < 10 and not ALONE), f"of 20 idle VMs {shown} are exported")
    left = left_out(page)
    verdict.check(left == 10 or (left > 10 and not ALONE), f"and {left} are counted as left out")
    time.sleep(3)
    again = exporter.scrape()
    verdict.check(left_out(again) == left or not ALONE, "once each")
    for guest in idle:
        guests.go_on(guest)
    exporter.stop()


def vcpus(page, name):
    return page.sum("kvm_vm_vcpus", vm=PREFIX + name)


def main():
    need_kvm()
    if not mount_tracefs():
        skip("tracefs, which says where kvm_pic_set_irq is, cannot be mounted here")
    guests, verdict = Guests(sys.argv[2]), Verdict()
    early = guests.hold(PREFIX + "early", "--hold-before", "--program", "cpuid", "--count", 1,
                        "--vcpus", 3)
    exporter = Exporter(sys.argv[1], 10185, "--collector.events=kvm_pic_set_irq", "--vm.linger=3s")
    page = exporter.until(lambda page: vcpus(page, "early") == 3)
    verdict.check(page, "a VM that was there before, and never ran, has its 3 vCPUs")

    late = guests.hold(PREFIX + "late", "--hold-before", "--hold-after", "--irqs", IRQS,
                       "--program", "cpuid", "--count", 1, "--vcpus", 2)
    page = exporter.until(lambda page: vcpus(page, "late") == 2)
    verdict.check(page, "a VM that came later, and never ran, has its 2 vCPUs")
    if ALONE:
        verdict.check(page and page.sum("kvm_exporter_vcpu_slots", state="used") == 0,
                      "neither takes a slot")
    before = page.sum("kvm_exporter_events_lost_total", cause="unattributed")
    guests.go_on(late)
    late.stdout.readline()
    page = exporter.scrape()
    got = page.sum("kvm_events_total", vm=PREFIX + "late", vcpu="", event="kvm_pic_set_irq")
    verdict.check(got == 2 * IRQS, f"of an idle VM's other threads {got} events are counted, of"
                  f" {2 * IRQS}")
    got = page.sum("kvm_interrupt_line_changes_total", vm=PREFIX + "late", gsi="5")
    verdict.check(got == 2 * IRQS, f"and {got} changes of its line, of {2 * IRQS}")
    if ALONE:
        lost = page.sum("kvm_exporter_events_lost_total", cause="unattributed") - before
        verdict.check(lost == 0, f"{lost} are not attributed")

    guests.start(PREFIX + "grows", "--program", "deadline-halt", "--rate", 20, "--count", 0,
                 "--vcpus", 4, "--stagger", 1500, "--duration", 120)
    steps = [exporter.until(lambda page, n=n: vcpus(page, "grows") == n) for n in (1, 2, 3, 4)]
    verdict.check(all(steps), "vCPUs that are plugged in later are counted as they come")

    # The process of `repeats` goes on, its VM does not.
    repeats = guests.hold(PREFIX + "repeats", "--hold-before", "--repeat", 2, "--program", "cpuid",
                          "--count", 5, "--vcpus", 2)
    verdict.check(exporter.until(lambda page: vcpus(page, "repeats") == 2), "a VM of a process")
    guests.go_on(repeats)
    repeats.stdout.readline()  # the report; the next VM is made at once
    repeats.stdout.readline()
    verdict.check(exporter.until(lambda page: vcpus(page, "repeats") == 2), "and the next")
    guests.go_on(repeats)
    repeats.wait(60)

    for guest in (early, late):
        guests.go_on(guest)
    gone = [exporter.until(lambda page, n=n: vcpus(page, n) is None) for n in ("early", "late")]
    verdict.check(all(gone), "a VM that has ended has no vCPUs")
    verdict.check(exporter.until(lambda page: page.sum("kvm_vm_info", vm=PREFIX + "late") is None),
                  "and after --vm.linger no series")
    exporter.stop()
    check_limit(verdict, sys.argv[1], guests)
    verdict.end()


main()
