#!/usr/bin/env python3
"""idle_fraction_test.py EXPORTER GUEST: sleeping vCPUs look asleep over any window, for ten minutes.

In an emulated host whose clock counts instructions (amd.sh --icount): time in which nothing runs
passes at once there, so ten minutes of sleep take as long as the scrapes do.

The kernel reports a halt when it ends. One guest halts once and for all; one wakes every 37 s, to
see that a sleep in progress and the kernel's own figure afterwards are one and the same time. A
third sleeps too, but a signal takes it out of KVM_RUN now and then, after which its VMM, having
spent next to no time, lets it sleep on.
"""

import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from exporter import Exporter
from guests import Guests
from halted import check_halted
from verdict import Verdict

SECONDS = 600
EVERY = 5.0
WINDOW = 60.0
WAKE_EVERY = 37
KICKS = 8
# The list of vCPUs, which is made each second, must come between two readings.
RESUMED_NOT_SHOWN_YET = 2.5


def halted(name):
    return lambda scrape: scrape.sum("kvm_halt_seconds_total", vm=name, vcpu="0") or 0


def grown(scrapes, name, vm):
    return (scrapes[-1].sum(name, vm=vm) or 0) - (scrapes[0].sum(name, vm=vm) or 0)


def kick(guest):
    """A signal to its only vCPU's thread."""
    for task in pathlib.Path(f"/proc/{guest.pid}/task").iterdir():
        if (task / "comm").read_text() == "CPU 0/KVM\n":
            os.kill(int(task.name), signal.SIGUSR1)


def check_kicked(verdict, scrapes):
    check_halted(verdict, "kicked", scrapes, halted("kicked"), WINDOW,
                 not_shown=RESUMED_NOT_SHOWN_YET)
    exits = grown(scrapes, "kvm_userspace_exits_total", "kicked")
    halts = grown(scrapes, "kvm_halts_total", "kicked")
    verdict.check(exits == halts == KICKS,
                  f"kicked: {KICKS} signals made {exits:.0f} returns, and ended {halts:.0f} halts")
    seconds = grown(scrapes, "kvm_userspace_seconds_total", "kicked")
    verdict.check(seconds < 0.1 * KICKS, f"kicked: its VMM has had it for {seconds:.6f} s meanwhile")


def main():
    verdict = Verdict()
    exporter, guests = Exporter(sys.argv[1], 10190), Guests(sys.argv[2])
    guests.start("asleep", "--program", "idle", "--duration", SECONDS + 60)
    guests.start("waking", "--program", "deadline-halt", "--rate", 1 / WAKE_EVERY, "--count", "0",
                 "--duration", SECONDS + 60)
    kicked = guests.start("kicked", "--program", "idle", "--duration", SECONDS + 60)
    time.sleep(2)
    scrapes, next_one = [], time.monotonic()
    count = int(SECONDS / EVERY) + 1
    for number in range(count):
        scrapes.append(exporter.scrape())
        if number % (count // KICKS) == 1 and number < count - 1:
            kick(kicked)
        next_one += EVERY
        time.sleep(max(next_one - time.monotonic(), 0))
    took = scrapes[-1].end - scrapes[0].end
    verdict.check(took >= SECONDS - 1, f"{len(scrapes)} scrapes over {took:.0f} s")
    for name in ("asleep", "waking"):
        check_halted(verdict, name, scrapes, halted(name), WINDOW)
        # Much less than a minute also, but for a wake-up's own time.
        check_halted(verdict, name, scrapes, halted(name), EVERY / 2)
    check_kicked(verdict, scrapes)
    first, last = scrapes[0], scrapes[-1]
    ended = [scrape.sum("kvm_halts_total", vm="asleep") or 0 for scrape in (first, last)]
    verdict.check(ended[0] == ended[1],
                  f"asleep: the kernel has reported no halt meanwhile ({ended[0]:.0f} before,"
                  f" {ended[1]:.0f} after)")
    woken = grown(scrapes, "kvm_halts_total", "waking")
    verdict.check(abs(woken - SECONDS / WAKE_EVERY) <= 2, f"waking: {woken:.0f} halts ended")
    verdict.end()


main()
