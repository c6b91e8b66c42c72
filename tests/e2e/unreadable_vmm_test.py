#!/usr/bin/env python3
"""unreadable_vmm_test.py EXPORTER GUEST TRICKS: a VMM whose command line cannot be read to the end.

It keeps a lock of its own memory, so that whoever reads its /proc/PID/cmdline waits for as long as it likes. It
is counted all the same, and so are others: named, released, and scraped in time. So it is with many such VMMs.
On this machine's KVM.
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from exporter import Exporter
from guests import Guests
from verdict import Verdict, need_kvm, skip

SECONDS = 25
RETURNS = 7
PREFIX = f"readable-{os.getpid()}-"
SOON = 8  # seconds; some are a busy machine's
MANY = 40


def start_trick(tricks, seconds=SECONDS):
    return subprocess.Popen([tricks, "locked", str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            text=True)


def is_locked(trick):
    """Once its memory is; False if that cannot be done here."""
    deadline = time.monotonic() + SECONDS / 2
    while time.monotonic() < deadline and trick.poll() is None:
        try:
            subprocess.run(["cat", f"/proc/{trick.pid}/cmdline"], stdout=subprocess.DEVNULL, check=False,
                           timeout=0.5)
        except subprocess.TimeoutExpired:
            return True
        time.sleep(0.2)
    return False


def start_locked(tricks):
    """A VM, once its memory is locked; None if that cannot be done here."""
    trick = start_trick(tricks)
    return trick if is_locked(trick) else None


def returns(page, pid):
    """KVM_RUN's returns of this process's VM, and its labels."""
    labels = {m.labels["vm"] for m in page.samples
              if m.name == "kvm_vm_info" and m.labels["pid"] == str(pid)}
    return sum(page.sum("kvm_userspace_exits_total", vm=label, reason="KVM_EXIT_IO") or 0
               for label in labels), labels


def check_locked(verdict, exporter, guests, trick, when):
    longest, count, labels = 0.0, 0, set()
    deadline = time.monotonic() + SOON + 4  # until it has a name, if only its pid
    while time.monotonic() < deadline and not count:
        page = exporter.scrape()
        longest = max(longest, page.end - page.start)
        count, labels = returns(page, trick.pid)
        time.sleep(0.3)
    verdict.check(count > 0 and len(labels) == 1, f"{when}: it is counted, as {labels}")
    verdict.check(longest < SOON, f"... and scrapes are answered: {longest:.1f} s")
    check_others(verdict, exporter, guests, trick, when)


def check_others(verdict, exporter, guests, trick, when):
    made, name = time.monotonic(), f"{PREFIX}{when.replace(' ', '-')}"
    guest = guests.hold(name, "--hold-before", "--hold-after", "--program", "pio", "--count", RETURNS)
    began = time.monotonic()  # KVM may take half a minute to make a VM, where CPUs are busy
    print(f"another VM has been made after {began - made:.1f} s")
    guests.work(guest)
    page = exporter.until(lambda page: (page.sum("kvm_userspace_exits_total", vm=name,
                                                 reason="KVM_EXIT_IO") or 0) >= RETURNS)
    took = time.monotonic() - began
    verdict.check(page and took < SOON, f"... and another VM is counted by its name: {took:.1f} s")
    guests.go_on(guest)
    guest.wait()
    gone = exporter.until(lambda page: page.sum("kvm_vm_info", vm=name) is None)
    verdict.check(gone and trick.poll() is None, "... and released when it has ended")


def check_many(verdict, exporter, guests, tricks):
    """Each has a thread of the exporter wait for it. Others are read all the same."""
    many = [start_trick(tricks, 40) for _ in range(MANY)]
    with concurrent.futures.ThreadPoolExecutor(MANY) as pool:
        locked = sum(pool.map(is_locked, many))
    before = exporter.status("Threads")
    page = exporter.until(lambda page: all(returns(page, trick.pid)[0] for trick in many))
    verdict.check(page and locked == MANY, f"{locked} VMMs that cannot be read are counted")
    print(f"threads of the exporter: {before}, then {exporter.status('Threads')}")
    check_others(verdict, exporter, guests, many[0], "among many")
    for trick in many:  # killed, a thread of theirs would wait for ever for what another was to answer
        trick.communicate()


def main():
    need_kvm()
    verdict, guests = Verdict(), Guests(sys.argv[2])
    exporter = Exporter(sys.argv[1], 10177, "--vm.linger=1s")
    trick = start_locked(sys.argv[3])
    if not trick:
        skip("there is no file system of users (FUSE) here")
    check_locked(verdict, exporter, guests, trick, "it comes later")
    said = int(trick.stdout.readline())
    page = exporter.until(lambda page: returns(page, trick.pid)[0] == said)
    verdict.check(page, f"when it lets go, all its {said} returns are there")
    trick.communicate()
    check_many(verdict, exporter, guests, sys.argv[3])
    exporter.stop()

    trick = start_locked(sys.argv[3])
    exporter = Exporter(sys.argv[1], 10177, "--vm.linger=1s")
    check_locked(verdict, exporter, guests, trick, "it was there before")
    began = time.monotonic()
    status = exporter.stop()
    verdict.check(status == 0 and time.monotonic() - began < SOON and trick.poll() is None,
                  f"the exporter ends at once, with {status}")
    trick.communicate()
    verdict.end()


main()
