#!/usr/bin/env python3
"""idle_fraction.py EXPORTER GUEST: sleeping vCPUs look asleep over any window, for ten minutes.

In an emulated host whose clock counts instructions (amd.sh --icount): time in which nothing runs
passes at once there, so ten minutes of sleep take as long as the scrapes do.

The kernel reports a halt when it ends. One guest halts once and for all; one wakes every 37 s, to
see that a sleep in progress and the kernel's own figure afterwards are one and the same time.
"""

import sys
import time

from session import Exporter, Guests, Verdict, check_halted

SECONDS = 600
EVERY = 5.0
WINDOW = 60.0
WAKE_EVERY = 37


def halted(name):
    return lambda scrape: scrape.sum("kvm_halt_seconds_total", vm=name, vcpu="0") or 0


def main():
    verdict = Verdict()
    exporter, guests = Exporter(sys.argv[1], 10190), Guests(sys.argv[2])
    guests.start("asleep", "--program", "idle", "--duration", SECONDS + 60)
    guests.start("waking", "--program", "deadline-halt", "--rate", 1 / WAKE_EVERY, "--count", "0",
                 "--duration", SECONDS + 60)
    time.sleep(2)
    scrapes, next_one = [], time.monotonic()
    for _ in range(int(SECONDS / EVERY) + 1):
        scrapes.append(exporter.scrape())
        next_one += EVERY
        time.sleep(max(next_one - time.monotonic(), 0))
    took = scrapes[-1].end - scrapes[0].end
    verdict.check(took >= SECONDS - 1, f"{len(scrapes)} scrapes over {took:.0f} s")
    for name in ("asleep", "waking"):
        check_halted(verdict, name, scrapes, halted(name), WINDOW)
        # Much less than a minute also, but for a wake-up's own time.
        check_halted(verdict, name, scrapes, halted(name), EVERY / 2)
    first, last = scrapes[0], scrapes[-1]
    ended = [scrape.sum("kvm_halts_total", vm="asleep") or 0 for scrape in (first, last)]
    verdict.check(ended[0] == ended[1],
                  f"asleep: the kernel has told of no halt meanwhile ({ended[0]:.0f} before,"
                  f" {ended[1]:.0f} after)")
    woken = (last.sum("kvm_halts_total", vm="waking") or 0) - (
        first.sum("kvm_halts_total", vm="waking") or 0)
    verdict.check(abs(woken - SECONDS / WAKE_EVERY) <= 2, f"waking: {woken:.0f} halts ended")
    verdict.end()


main()
