#!/usr/bin/env python3
"""descriptors_test.py EXPORTER GUEST: an exporter that can open nothing any more loses no VM.

Its limit of descriptors is taken down below what it has open, so that neither /proc nor the listing of vCPUs can be
read. What could not be read is no news: VMs that run go on, those that never ran stay, and once the limit is lifted
new ones are found. On this machine's KVM.
"""

import os
import pathlib
import resource
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from exporter import Exporter
from guests import Guests
from verdict import Verdict, need_kvm

PREFIX = f"descriptors-{os.getpid()}-"
SECONDS = 15  # in which two listings would have to have failed, and more


def main():
    need_kvm()
    verdict, guests = Verdict(), Guests(sys.argv[2])
    exporter = Exporter(sys.argv[1], 10196, "--vm.linger=1s")
    runs, idle, late = (PREFIX + name for name in ("runs", "idle", "late"))
    guests.start(runs, "--program", "deadline-halt", "--rate", 50, "--count", 0, "--duration", 120, "--vcpus", 2)
    guests.hold(idle, "--hold-before", "--program", "cpuid", "--count", 1, "--vcpus", 3)
    vcpus = lambda page, name: page.sum("kvm_vm_vcpus", vm=name)
    page = exporter.until(lambda page: vcpus(page, runs) == 2 and vcpus(page, idle) == 3
                          and page.sum("kvm_halts_total", vm=runs))
    verdict.check(page, "a VM that runs, and one that does not")

    pid = exporter.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE, (1, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))
    pages, deadline = [], time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        pages.append(exporter.scrape())  # on the connection that it has
        time.sleep(0.5)
    halts = [page.sum("kvm_halts_total", vm=runs) or 0 for page in pages]
    verdict.check(halts == sorted(halts) and halts[-1] > halts[0], f"its counts go on: {halts[0]} to {halts[-1]}")
    known = {(vcpus(page, runs), vcpus(page, idle)) for page in pages}
    verdict.check(known == {(2, 3)}, f"both have their vCPUs all the time: {known}")
    log = pathlib.Path(f"/proc/self/fd/{exporter.log.fileno()}").read_text()
    verdict.check("trying again" in log, "and nothing could be listed meanwhile")

    guests.hold(late, "--hold-before", "--program", "cpuid", "--count", 1)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    page = exporter.until(lambda page: vcpus(page, late) == 1)
    verdict.check(page and vcpus(page, runs) == 2 and vcpus(page, idle) == 3, "a new one is found then, beside them")
    guests.stop()
    page = exporter.until(lambda page: not any(page.sum("kvm_vm_info", vm=name) for name in (runs, idle, late)))
    verdict.check(page, "and their ends are noticed")
    verdict.check(exporter.stop() == 0, "the exporter ends well")
    verdict.end()


main()
