#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What do the rules cost a Prometheus?  rules_cost.py RULES_DIR [HOSTS] [GUESTS] [VCPUS]

Fills a Prometheus with ten minutes of so many hosts (10), each with so many guests (20) of so many
vCPUs (8), exporters at --metrics.per-vcpu=counts, one in twenty guests with an idle tick. Then evaluates
every rule once at the end, those that others read first, and prints the CPU time that Prometheus took and
how many series were recorded. The time is the process's own, so that a busy machine makes it no longer; the
rules that are evaluated less often than twice a minute count for as often as they are.

For other rules, say of an older revision: git worktree, and its directory here.
"""

import re
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "dashboards/render"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import fleet  # noqa: E402
import history  # noqa: E402

MINUTES = 10
EVERY = 30  # seconds between evaluations
SECONDS = {"s": 1, "m": 60}


def hosts(count, guests, vcpus):
    for n in range(count):
        found = [fleet.busy(f"busy-{i}", vcpus, 0.5) if i % 20 else
                 fleet.Guest(f"ticks-{i}", vcpus, 250 * vcpus, 250 * vcpus, 0.97, {"irq": 10}, hz=250,
                             finds="idle_tick")
                 for i in range(guests)]
        yield fleet.Host(f"kvm-{n:03}", found, cpus=64)


def samples(fleet_of):
    series = fleet.Series()
    for when in range(fleet.END - MINUTES * 60, fleet.END + 1, fleet.STEP):
        for host in fleet_of:
            series.gauge(when, "up", 1, host.target)
            fleet.scrape_exporter(series, when, host)
            for guest in host.guests:
                fleet.scrape_guest(series, when, host, guest)
        yield from series.lines
        series.lines.clear()


def cpu_seconds(url):
    """What Prometheus has used so far, by its own page."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as page:
        return float(re.search(rb"^process_cpu_seconds_total (\S+)", page.read(), re.M)[1])


def per_second(group):
    length, unit = re.fullmatch(r"(\d+)([sm])", group.get("interval", f"{EVERY}s")).groups()
    return 1 / (int(length) * SECONDS[unit])


def measure(data, rules):
    """[(name, CPU seconds of one evaluation, series)], each level with what those before it recorded."""
    recording = [rule for rule in rules if "record" in rule]
    levels = [*history.levels(recording), [rule for rule in rules if "alert" in rule]]
    for level in levels:
        made = []
        with history.prometheus(data) as url:
            for rule in level:
                before = cpu_seconds(url)
                found = history.ask(url, rule["expr"], fleet.END)
                yield rule, cpu_seconds(url) - before, len(found)
                for series in found if "record" in rule else []:
                    labels = {k: v for k, v in series["metric"].items() if k != "__name__"}
                    made.append((rule["record"], labels, series["value"][1]))
        lines = sorted(
            history.line(name, labels, value, when) for name, labels, value in made
            for when in (fleet.END - 60, fleet.END))
        if lines:
            history.import_text(data, lines)


def main():
    directory, sizes = Path(sys.argv[1]), [int(word) for word in sys.argv[2:]]
    count, guests, vcpus = (sizes + [10, 20, 8][len(sizes):])[:3]
    groups = [g for p in sorted(directory.glob("*.yml"))
              for g in yaml.safe_load(p.read_text(encoding="utf-8"))["groups"]]
    often = {id(rule): per_second(group) for group in groups for rule in group["rules"]}
    rules = [rule for group in groups for rule in group["rules"]]
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary) / "data"
        began = time.monotonic()
        history.import_text(data, samples(list(hosts(count, guests, vcpus))))
        print(f"{count} hosts, {guests} guests of {vcpus} vCPUs each: filled in {time.monotonic() - began:.0f} s")
        cpus = recorded = 0
        for rule, seconds, series in measure(data, rules):
            cpus += seconds * often[id(rule)]
            recorded += series if "record" in rule else 0
            print(f"{seconds:7.2f} s {series:7} series  {rule.get('record') or rule['alert']}", flush=True)
        print(f"{cpus:.3f} CPUs, {recorded / count:.1f} series recorded of a host")


main()
