#!/usr/bin/env python3
"""linux_guest_test.py EXPORTER: two idle Linux guests, one with nohz=off.

In an emulated AMD host whose clock counts instructions (--icount). By this machine's clock, a guest
whose emulator waits for a CPU would look busy, and its ticks would come late. Both guests boot the
host's own kernel. Idle, Debian's kernel (HZ=250) with nohz=off programs its
timer and halts 250 times a second; without the argument it sleeps.

The first is found as idle_tick, within 15 s, by name: in the metric, on the pages and by `top`. Of the
other nothing is found.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from exporter import Exporter
from halted import check_halted
from linux_guest import LINGER, boot, make_initramfs
from verdict import Verdict

HZ = 250
PORT = 10193
# After its last line of boot a guest still has things to finish: deferred initcalls, a last
# console flush, its clocksource watchdog.
SETTLE_SECONDS = 8
FINDING, FOUND_SECONDS = "idle_tick", 15
SENTENCE = re.compile(r"It is idle, yet its tick never stops: its only running vCPU ticks at (\d+) Hz or more ")
SCRAPES, EVERY = 11, 2.0
# The exporter looks once a second.
ROUND = 1.1
HALTED = 0.9
# The emulator's userspace PIT takes the vCPU out of KVM_RUN 36 times a second, and each ends a
# halt. A sleep that follows such a one, of 27.5 ms at most, is exported when it ends.
KICKS = 40
NOT_SHOWN_YET = 0.028
TICK_SHARE = 0.98
AGREES = 0.002


def tick_buckets(guest, first, last):
    """{upper bound: intervals of the window in that bucket alone}."""
    bounds = [m.labels["le"] for m in last.samples
              if m.name == "kvm_timer_interval_seconds_bucket" and m.labels["vm"] == guest]
    found, below = {}, 0
    for bound in sorted(bounds, key=float):
        up_to = [scrape.sum("kvm_timer_interval_seconds_bucket", vm=guest, le=bound) or 0
                 for scrape in (first, last)]
        found[bound] = up_to[1] - up_to[0] - below
        below = up_to[1] - up_to[0]
    return found


def found(scrape, guest):
    """{finding: seconds for which it held} of a guest, by the metric."""
    return {m.labels["finding"]: m.value for m in scrape.samples
            if m.name == "kvm_vm_finding_seconds_total" and m.labels["vm"] == guest and m.value > 0}


def halted(guest):
    return lambda scrape: scrape.sum("kvm_halt_seconds_total", vm=guest, vcpu="0") or 0


class Window:
    """Some scrapes, and what KVM itself says of its guests' halts at the first and the last."""

    def __init__(self, exporter, guests):
        self.scrapes = []
        self.kvm = [{guest.name: guest.halted_by_kvm() for guest in guests}]
        for _ in range(SCRAPES):
            self.scrapes.append(exporter.scrape())
            time.sleep(EVERY if len(self.scrapes) < SCRAPES else 0)
        self.kvm.append({guest.name: guest.halted_by_kvm() for guest in guests})
        self.first, self.last = self.scrapes[0], self.scrapes[-1]

    def rate(self, guest, name, **labels):
        after, before = (scrape.sum(name, vm=guest, **labels) or 0
                         for scrape in (self.last, self.first))
        return (after - before) / (self.last.start - self.first.start)

    def kvm_halted(self, guest):
        (began, before), (ended, after) = (at[guest] for at in self.kvm)
        return (after - before) / (ended - began)

    def tick(self, guest):
        """The fullest bucket, and the share of it."""
        buckets = tick_buckets(guest, self.first, self.last)
        fullest = max(buckets, key=buckets.get, default="none")
        return fullest, buckets.get(fullest, 0) / max(sum(buckets.values()), 1)


def check_guest(verdict, window, guest, least, most):
    """`least` to `most`: timer programmings a second."""
    writes = window.rate(guest, "kvm_msr_accesses_total", op="write", msr="IA32_TSC_DEADLINE")
    verdict.check(least <= writes <= most,
                  f"{guest}: {writes:.1f} TSC_DEADLINE writes a second, {least} to {most}")
    halts = window.rate(guest, "kvm_halts_total")
    verdict.check(least <= halts <= most + KICKS,
                  f"{guest}: {halts:.1f} halts a second, {least} to {most + KICKS}")
    # A sleep in progress that was not exported would leave a short window with nothing.
    for seconds in (1.0, 10.0):
        check_halted(verdict, guest, window.scrapes, halted(guest), seconds, HALTED, NOT_SHOWN_YET)
    ours, kvms = window.rate(guest, "kvm_halt_seconds_total"), window.kvm_halted(guest)
    verdict.check(abs(ours / kvms - 1) < AGREES,
                  f"{guest}: halted {ours:.4f} of the time, by KVM's own statistics {kvms:.4f}")
    user = window.rate(guest, "kvm_userspace_seconds_total")
    verdict.check(user < 0.01, f"{guest}: its VMM has it for {user:.5f} of the time")


def says_so(text):
    """Whether it is the sentence of a guest that ticks while idle, as often as this one does."""
    sentence = SENTENCE.search(text)
    return sentence is not None and abs(int(sentence[1]) - HZ) <= 2


def check_found(verdict, exporter, since):
    """In the metric, on the pages and in a terminal; `since`: when the guest became idle. The first sentence may have
    the end of its boot in it."""
    verdict.check(exporter.until(lambda page: FINDING in found(page, "ticking"), FOUND_SECONDS),
                  f"ticking: found as {FINDING}")
    seconds = time.monotonic() - since
    verdict.check(seconds <= FOUND_SECONDS, f"... {seconds:.1f} s after it became idle, {FOUND_SECONDS} at most")
    while not says_so(exporter.get("/vm?name=ticking")) and time.monotonic() - since < FOUND_SECONDS:
        time.sleep(0.5)
    home = exporter.get("/")
    stands_out = re.findall(r'<strong><a href="\./vm\?name=(\w+)">.*?</p>\n<p>(.*?)</p>', home)
    verdict.check([name for name, text in stands_out if says_so(text)] == ["ticking"] == [n for n, _ in stands_out],
                  f"on /: {stands_out}")
    own, other = (exporter.get(f"/vm?name={name}") for name in ("ticking", "tickless"))
    verdict.check(says_so(own) and "Nothing stands out" not in own, "on its own page")
    verdict.check("Nothing stands out." in other, "tickless: nothing stands out on its page")
    command = [sys.argv[1], "top", "--once", "--json", f"--url=http://127.0.0.1:{PORT}"]
    top = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    by_name = {guest["vm"]: [(f["finding"], f["seen"]) for f in guest["findings"]] for guest in top["guests"]}
    [(kind, text)] = by_name["ticking"] or [("nothing", "")]
    verdict.check(kind == FINDING and says_so(text), f"ticking in top: {kind}: {text}")
    verdict.check(by_name["tickless"] == [], f"tickless in top: {by_name['tickless']}")


def check_goes_on(verdict, window):
    """It holds for all of the window, and of the other guest nothing has been found since it began."""
    first, last = (found(scrape, "ticking").get(FINDING, 0) for scrape in (window.first, window.last))
    seconds = window.last.start - window.first.start
    verdict.check(abs(last - first - seconds) <= ROUND,
                  f"ticking: {FINDING} held for {last - first:.1f} of {seconds:.1f} s")
    verdict.check(not found(window.last, "tickless"), f"tickless: findings {found(window.last, 'tickless')}")


def main():
    exporter_binary = sys.argv[1]
    qemu, kernel = os.environ["LAB_QEMU"], os.environ["LAB_KERNEL_DIR"]
    directory = pathlib.Path(tempfile.mkdtemp(prefix="kvmx-linux-guest-"))
    make_initramfs(directory)
    verdict = Verdict()
    exporter = Exporter(exporter_binary, PORT, f"--vm.linger={LINGER}s")
    guests = []
    for name, arguments in (("tickless", ""), ("ticking", "nohz=off")):
        # One after the other: two that boot at once on one CPU take ten times as long.
        guests.append(boot(name, arguments, qemu, kernel, directory))
        print(f"{name} is up at {time.monotonic():.0f} s", flush=True)
        verdict.check("lapic-deadline" in guests[-1].said(), f"{name} uses TSC_DEADLINE")
    up = time.monotonic()
    check_found(verdict, exporter, up)
    time.sleep(max(0, up + SETTLE_SECONDS - time.monotonic()))
    window = Window(exporter, guests)
    check_goes_on(verdict, window)
    check_guest(verdict, window, "ticking", HZ - 1, HZ + 2)
    check_guest(verdict, window, "tickless", 0, 20)
    bucket, share = window.tick("ticking")
    verdict.check(bucket == "0.0044" and share > TICK_SHARE,
                  f"ticking: {share:.3f} of its intervals are up to {bucket}, more than in any"
                  " other bucket")
    verdict.end()


if __name__ == "__main__":
    main()
