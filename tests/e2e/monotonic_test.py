#!/usr/bin/env python3
"""monotonic_test.py EXPORTER GUEST [SCRAPES]: no counter ever steps back, whatever the guests do.

Up to two thousand scrapes, hundreds in an emulated host, one after the other as fast as they come in at
most a minute, while VMs storm, idle, move their vCPUs between threads, come and end. On this machine's
KVM, too.
"""

import math
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from exporter import Exporter
from guests import Guests
from metrics import page_lines, parse_metrics
from verdict import Verdict, need_kvm

IN_LAB = "LAB_ISA" in os.environ
SCRAPES = 200 if IN_LAB and "KVMX_FULL" not in os.environ else 2000
# Storms that leave an emulated host time to be scraped.
RATE = 100 if IN_LAB else 1000
# What each guest does; those that end are started again, so VMs come and end all the time.
GUESTS = {
    "storm": f"--program deadline-halt --rate {RATE} --vcpus 2 --count 0 --duration 600",
    "idle": "--program idle --duration 600",
    "slow": "--program deadline-halt --rate 20 --count 0 --duration 600",
    "moving": f"--program deadline-halt --rate {RATE / 5} --count 0 --vcpus 2 --yield-every 2"
              " --swap-threads 3 --duration 600",
    "short-storm": f"--program deadline-halt --rate {RATE / 2} --count 300",
    "short-idle": "--program idle --duration 0.3",
    "short-msrs": "--program random-msr --count 400 --indices 40 --deadlines 40",
}
RESTART_EVERY = 8.0 if IN_LAB else 2.0  # seconds
AT_LEAST = 12.0  # seconds; a fast machine scrapes more often
# A busy machine is done after a minute with however many it came to, if it came to some. Not so in the
# longer variant, or for who names a number.
AT_MOST = math.inf if "KVMX_FULL" in os.environ or len(sys.argv) > 3 else 60.0  # seconds
AT_LEAST_SCRAPES = 50
AT_LEAST_ENDED = 3  # VMs; a fast machine may be done with its scrapes before any is started again
# VMs that have ended stay on the page, which takes longer to write and to read by each.
AT_MOST_ENDED = 9 if IN_LAB else 60
# On this machine others may run VMs too, and theirs may come, be renamed and go as they like.
PREFIX = f"monotonic-{os.getpid()}-"
KINDS = ("counter", "histogram")


def any_vcpu(samples, key):
    """The sum of a series over all vCPUs."""
    def of_vm(labels):
        return [label for label in labels if label[0] != "vcpu"]

    return sum(value for other, value in samples.items()
               if other[0] == key[0] and of_vm(other[1:]) == of_vm(key[1:]))


def enough(wanted, scrapes, seconds, ended):
    """Whether a run has seen what it is for."""
    return (ended >= AT_LEAST_ENDED and seconds >= AT_LEAST and scrapes >= AT_LEAST_SCRAPES
            and (scrapes >= wanted or seconds >= AT_MOST))


class Watch:
    """What every counter was at the last scrape, and what went wrong since the first."""

    def __init__(self):
        self.last, self.kinds, self.wrong, self.samples, self.rises = {}, {}, [], 0, 0
        self.known, self.rising, self.adopted = {}, set(), 0

    def learn(self, series, page):
        """(kind, key, histogram, le) of a series seen for the first time, strictly parsed."""
        (sample,) = parse_metrics(f"{series} 0")
        for line in page_lines(page):
            if line.startswith("# TYPE "):
                _, _, family, kind = line.split()
                self.kinds[family] = kind
                for suffix in ("_bucket", "_sum", "_count") if kind == "histogram" else ():
                    self.kinds[family + suffix] = kind
        kind = self.kinds.get(sample.name)
        if kind is None:
            self.wrong.append(f"{sample.name} has no TYPE")
        if not sample.labels.get("vm", PREFIX).startswith(PREFIX):
            kind = None
        labels = sorted(sample.labels.items())
        if kind in KINDS:
            self.rising.add((sample.name, *labels))
        own = (sample.name.rpartition("_")[0], *(label for label in labels if label[0] != "le"))
        return kind, (sample.name, *labels), own, sample.labels.get("le")

    def see(self, number, page):
        """One scrape. Emulated hosts are slow: what a series is called is parsed once only."""
        now, histograms = {}, {}
        for line in page_lines(page):
            if line.startswith("#"):
                continue
            series, _, text = line.rpartition(" ")
            known = self.known.get(series)
            if known is None:
                known = self.known[series] = self.learn(series, page)
            kind, key, own, le = known
            if key in now:
                self.wrong.append(f"scrape {number}: {series} is there twice")
            value = now[key] = float(text)
            if kind == "histogram":
                parts = histograms.setdefault(own, {"bucket": []})
                if le is not None:
                    parts["bucket"].append((float(le), value))
                else:
                    parts[key[0].rpartition("_")[2]] = value
        now = {key: value for key, value in now.items() if key in self.rising}
        self.compare(number, now)
        for own, parts in histograms.items():
            self.check_histogram(f"scrape {number}: {own}", parts)
        self.last = now
        self.samples += len(now)

    def compare(self, number, now):
        for key, before in self.last.items():
            after = now.get(key)
            if after is None:
                # Without kvm_exit a thread's vCPU is known only once its timer tells.
                if ("vcpu", "") in key and any_vcpu(now, key) >= any_vcpu(self.last, key):
                    self.adopted += 1
                    continue
                self.wrong.append(f"scrape {number}: {key} is gone")
            elif after < before:
                self.wrong.append(f"scrape {number}: {key} steps back from {before!r} to {after!r}")
            elif after > before:
                self.rises += 1

    def check_histogram(self, what, parts):
        counts = [value for _, value in sorted(parts["bucket"])]
        if not counts or max(parts["bucket"])[0] != float("inf"):
            self.wrong.append(f"{what}: no +Inf bucket")
        elif counts != sorted(counts) or counts[-1] != parts.get("count"):
            self.wrong.append(f"{what}: buckets {counts}, _count {parts.get('count')}")
        if "sum" not in parts or (parts["sum"] > 0) > (parts.get("count", 0) > 0):
            self.wrong.append(f"{what}: _sum {parts.get('sum')}, _count {parts.get('count')}")


def main():
    need_kvm()
    wanted = int(sys.argv[3]) if len(sys.argv) > 3 else SCRAPES
    exporter = Exporter(sys.argv[1], 10192)
    guests, watch, verdict = Guests(sys.argv[2]), Watch(), Verdict()
    running = {name: guests.start(PREFIX + name, *options.split())
               for name, options in GUESTS.items()}
    began, ended, number = time.monotonic(), 0, 0
    restart = began + RESTART_EVERY
    while not enough(wanted, number, time.monotonic() - began, ended):
        watch.see(number, exporter.get("/metrics"))
        number += 1
        if number % 100 == 0:
            print(f"{number} scrapes in {time.monotonic() - began:.0f} s", flush=True)
        if time.monotonic() < restart or ended >= AT_MOST_ENDED:
            continue
        restart = time.monotonic() + RESTART_EVERY
        for name, options in GUESTS.items():
            if running[name].poll() is not None:
                ended += 1
                running[name] = guests.start(f"{PREFIX}{name}-{ended}", *options.split())
    took = time.monotonic() - began
    for line in watch.wrong[:20]:
        print("  ", line)
    verdict.check(not watch.wrong, f"{watch.samples} samples of {number} scrapes in {took:.0f} s:"
                  f" {len(watch.wrong)} are wrong")
    # Otherwise nothing was seen.
    verdict.check(watch.rises > number, f"counters rose {watch.rises} times;"
                  f" {watch.adopted} series got their vcpu")
    verdict.check(ended >= AT_LEAST_ENDED, f"{ended} VMs ended meanwhile")
    end = exporter.scrape()
    for family in ("kvm_timer_interval_seconds_count", "kvm_halts_total"):
        verdict.check((end.sum(family, vm=f"{PREFIX}storm") or 0) > 100, f"storm has {family}")
    verdict.end()


main()
