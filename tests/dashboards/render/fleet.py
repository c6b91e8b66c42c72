# SPDX-License-Identifier: Apache-2.0
"""A made-up fleet, as a Prometheus that scraped it would have it: OpenMetrics with timestamps.

Five hosts, 100 minutes, a scrape each 15 s. What happens:

- kvm-01 (Intel, 30 guests): ci-runner of 32 vCPUs is in health until it is booted again with
  nohz=off, 40 minutes before the end; its figures then and before are those of the README's story.
  The host's CPUs go to top frequency. legacy-erp of 4 vCPUs ticks at 250 Hz all the time while idle.
  One of ci-runner's vCPUs is parked.
- kvm-02 (Intel, 8 guests): win-build, a Hyper-V guest whose returns to the VMM are a storm.
- kvm-03 (AMD, 8 guests): a scrape takes long; one guest waits for CPUs (slow exits).
- kvm-04 (Intel): the exporter runs with --metrics.per-vcpu=none.
- kvm-05 (Intel): does not answer for the last 40 minutes. (No import writes Prometheus's mark for a
  series that ended, so its lines go on for some minutes.)
"""

import math
import pathlib
import random
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "lib"))
import events  # noqa: E402

STEP, MINUTES = 15, 100
END = 1768478100  # a fixed time, so that pictures can be compared; one block of Prometheus holds it all
START = END - MINUTES * 60
STORM = END - 40 * 60
JOB = "kvm-exit-exporter"

INTERVALS = [0.0001, 0.00025, 0.0005, 0.0009, 0.0011, 0.002, 0.003, 0.0036, 0.0044, 0.006, 0.009,
             0.011, 0.02, 0.1, 1.0]
LATENCIES = [2.0**n for n in range(-21, -5)]
INDEX = {"IA32_TSC_DEADLINE": "0x6e0", "X2APIC_EOI": "0x80b", "X2APIC_ICR": "0x830",
         "IA32_SPEC_CTRL": "0x48", "HV_X64_MSR_STIMER0_COUNT": "0x400000b1",
         "HV_X64_MSR_EOI": "0x40000070", "IA32_TSC_ADJUST": "0x3b"}
PROBES = tuple(events.COLLECTORS)
# The kernel's names with VMX and with SVM.
REASONS = {
    "msr": ("MSR_WRITE", "msr"), "hlt": ("HLT", "hlt"), "irq": ("EXTERNAL_INTERRUPT", "interrupt"),
    "npf": ("EPT_VIOLATION", "npf"), "mmio": ("EPT_MISCONFIG", "avic_unaccelerated_access"), "io": ("IO_INSTRUCTION", "io"),
    "cpuid": ("CPUID", "cpuid"), "timer": ("PREEMPTION_TIMER", "vintr"),
    "pause": ("PAUSE_INSTRUCTION", "pause"),
}
# Host time of one exit.
COST = {"msr": 1.7e-6, "irq": 1.3e-6, "npf": 5e-6, "mmio": 3.5e-6, "io": 14e-6, "cpuid": 1.1e-6,
        "timer": 1.1e-6, "pause": 4e-6}


class Guest:
    """What a guest does is said in events a second of the whole guest, at its mean load.

    tick: timer programmings; halts; halted: share of its time; exits: others, by REASONS; hz: where
    its timer intervals are; poll: share of halts that are polled for.
    """

    def __init__(self, name, vcpus, tick, halts, halted, exits, *, hz=None, timer="IA32_TSC_DEADLINE",
                 poll=0.05, hot=0.0, slow=0.0, phase=None, start=START - 86400, finds="", parked=0):
        self.name, self.vcpus, self.tick, self.halts, self.halted = name, vcpus, tick, halts, halted
        self.exits, self.hz, self.timer, self.poll, self.hot = exits, hz, timer, poll, hot
        self.slow, self.start, self.finds, self.parked = slow, start, finds, parked
        self.random = random.Random(name)
        self.phase = self.random.random() * 6 if phase is None else phase
        self.pid = self.random.randrange(2000, 40000)

    def at(self, _when):
        return self

    def load(self, when):
        """Around 1: slow waves and noise; a guest that ticks does so like a clock."""
        if self.hz:
            return 1 + self.random.gauss(0, 0.002)
        wave = 0.18 * math.sin(when / 700 + self.phase) + 0.1 * math.sin(when / 190 + 3 * self.phase)
        return max(0.1, 1 + wave + self.random.gauss(0, 0.06))


class Rebooted:
    """One guest before and after `when`."""

    def __init__(self, when, before, after):
        self.when, self.before, self.after = when, before, after
        self.name, self.vcpus = before.name, before.vcpus

    def at(self, when):
        return self.before if when < self.when else self.after


def idle(name, vcpus, **more):
    return Guest(name, vcpus, 14 * vcpus, 4.3 * vcpus, 0.985, {"irq": 1.7 * vcpus}, **more)


def busy(name, vcpus, scale, **more):
    """A guest at work: its tick runs where it runs, disks and networks leave for mmio and npf."""
    ways = {"irq": 500, "npf": 350, "mmio": 1300, "io": 25, "cpuid": 4, "timer": 180, "pause": 60}
    return Guest(name, vcpus, 420 * vcpus * scale**2, 260 * vcpus * scale, 1 - 0.62 * min(scale, 1.4),
                 {k: v * vcpus * scale for k, v in ways.items()}, **more)


def guests_of_kvm01():
    ci = Rebooted(
        STORM,
        Guest("ci-runner", 32, 452, 139, 0.985, {"irq": 54}, phase=0),
        Guest("ci-runner", 32, 33160, 33030, 0.95, {"irq": 110}, hz=1000, poll=0.02, start=STORM - 20,
              finds="timer_storm", parked=1))
    erp = Guest("legacy-erp", 4, 1000, 990, 0.97, {"irq": 12}, hz=250, poll=0.03, finds="idle_tick")
    found = [ci, erp]
    found += [busy(f"web-{n}", 4, s) for n, s in enumerate((0.7, 0.8, 0.65, 0.9, 0.75, 0.5), 1)]
    found += [busy(f"db-{n}", 8, s) for n, s in enumerate((1.25, 1.1, 0.4), 1)]
    found += [busy(f"queue-{n}", 2, s) for n, s in enumerate((0.6, 0.7, 0.55), 1)]
    found += [busy("search-1", 8, 1.3), busy("proxy-1", 2, 1.4, hot=0.8), busy("mail", 2, 0.3)]
    found += [idle(f"dev-{n}", 2 + 2 * (n % 3)) for n in range(1, 7)]
    found += [idle(n, 2) for n in ("bastion", "dns-1", "ntp", "ldap")]
    found += [busy("metrics", 4, 0.85), busy("git", 4, 0.35), busy("registry", 4, 0.25)]
    return found


def others(prefix, seed):
    rng = random.Random(seed)
    return [busy(f"{prefix}-{n}", 4, 0.3 + rng.random()) if n % 3 else idle(f"{prefix}-{n}", 4)
            for n in range(1, 9)]


def guests_of_kvm02():
    win = Guest("win-build", 8, 5200, 1500, 0.35,
                {"irq": 800, "npf": 400, "io": 32500, "cpuid": 500, "timer": 900},
                timer="HV_X64_MSR_STIMER0_COUNT", finds="vmm_storm")
    return others("app", 2)[:7] + [win]


def guests_of_kvm03():
    return others("batch", 3)[:7] + [busy("analytics", 8, 1.0, slow=0.02)]


class Host:
    def __init__(self, name, guests, *, isa="vmx", cpus=16, per_vcpu=True, gone=0, page=0.011):
        self.name, self.guests, self.isa, self.cpus = name, guests, isa, cpus
        self.per_vcpu, self.gone, self.page = per_vcpu, gone, page
        self.target = {"job": JOB, "instance": f"{name}:10177", "node": name}
        self.random = random.Random(name)
        self.project = "build-farm"


FLEET = [
    Host("kvm-01", guests_of_kvm01(), cpus=64),
    Host("kvm-02", guests_of_kvm02()),
    Host("kvm-03", guests_of_kvm03(), isa="svm", page=1.4),
    Host("kvm-04", others("edge", 4), per_vcpu=False),
    Host("kvm-05", others("spare", 5)[:4], gone=40),
]


class Series:
    """Counters go on from one scrape to the next; what is still zero is left out."""

    def __init__(self):
        self.lines, self.totals, self.names = [], {}, {}

    def name(self, metric, labels):
        return metric + "{" + ",".join(f'{k}="{v}"' for k, v in labels.items()) + "}"

    def gauge(self, when, metric, value, labels):
        self.lines.append(f"{self.name(metric, labels)} {value!r} {when}\n")

    def counter(self, when, metric, rate, labels, zero=False):
        key = metric, tuple(labels.values())
        if key not in self.totals:
            self.totals[key], self.names[key] = 0.0, self.name(metric, labels)
        self.totals[key] += rate * STEP
        if self.totals[key] > 0 or zero:
            self.lines.append(f"{self.names[key]} {self.totals[key]:.6f} {when}\n")

    def histogram(self, when, metric, rates, bounds, labels):
        """rates: {bound: a second}; others are empty. The mean of a bucket is taken for its sum."""
        total = 0.0
        for bound in (*bounds, math.inf):
            total += rates.get(bound, 0)
            le = "+Inf" if bound == math.inf else repr(bound)
            self.counter(when, f"{metric}_bucket", total, labels | {"le": le})
        self.counter(when, f"{metric}_count", total, labels)
        self.counter(when, f"{metric}_sum", sum(b * r * 0.8 for b, r in rates.items()), labels)


def shares(guest, jitter):
    """Each vCPU's part of what a guest does; hot: the first one's extra share."""
    weights = [1 + jitter.gauss(0, 0.01 if guest.hz else 0.15) for _ in range(guest.vcpus)]
    weights[0] += guest.hot * guest.vcpus
    total = sum(weights)
    return [w / total for w in weights]


def spread(bounds, centre, width):
    """A bell over the buckets, in powers of two around the centre."""
    found = {b: math.exp(-((math.log2(b / centre) / width) ** 2)) for b in bounds}
    total = sum(found.values())
    return {b: w / total for b, w in found.items()}


def timer_intervals(guest, tick):
    if not guest.hz:
        mean = guest.vcpus / tick
        return {b: w * tick for b, w in spread(INTERVALS, mean, 2.2).items()}
    bound = {1000: 0.0011, 250: 0.0044}[guest.hz]
    at = INTERVALS.index(bound)
    return {bound: 0.985 * tick, INTERVALS[at - 1]: 0.01 * tick, INTERVALS[at + 1]: 0.005 * tick}


def scrape_guest(series, when, host, guest):
    now = guest.at(when)
    load = now.load(when)
    tick, halts = now.tick * load, now.halts * load
    exits = {k: v * load for k, v in now.exits.items()} | {"msr": tick, "hlt": halts}
    svm = host.isa == "svm"
    at = host.target | {"vm": guest.name}
    if not hasattr(now, "shares"):
        now.shares = shares(now, now.random)
    vcpus = enumerate(now.shares) if host.per_vcpu else [(None, 1.0)]
    # A tick comes whatever the load; who works more is halted less.
    rest = now.halted if now.hz else 1 - (1 - now.halted) * load
    halted = max(0, rest) * guest.vcpus
    for vcpu, share in vcpus:
        on = at | ({} if vcpu is None else {"vcpu": vcpu})
        for reason, rate in exits.items():
            series.counter(when, "kvm_exits_total", rate * share,
                           on | {"reason": REASONS[reason][svm]})
        eoi = "HV_X64_MSR_EOI" if now.timer.startswith("HV") else "X2APIC_EOI"
        msrs = {now.timer: tick} if now.hz else {
            now.timer: tick * 0.8, eoi: tick * 0.12, "X2APIC_ICR": tick * 0.06,
            "IA32_SPEC_CTRL": tick * 0.02}
        for msr, rate in msrs.items():
            series.counter(when, "kvm_msr_accesses_total", rate * share,
                           on | {"op": "write", "msr": msr, "index": INDEX[msr]})
        series.counter(when, "kvm_msr_accesses_total", 0.02 * share,
                       on | {"op": "read", "msr": "IA32_TSC_ADJUST", "index": "0x3b"})
        series.counter(when, "kvm_msr_faults_total", 0.01 * share, on | {"op": "read"})
        hv = 0 if svm else tick * (0.997 if now.hz else 0.8)
        series.counter(when, "kvm_timer_arms_total", hv * share, on | {"timer": "hv"})
        series.counter(when, "kvm_timer_arms_total", (halts if hv else tick) * share,
                       on | {"timer": "sw"})
        in_use = sum(now.random.random() > now.halted for _ in range(1 if on != at else guest.vcpus))
        series.gauge(when, "kvm_hv_timer_in_use", 0 if svm else in_use, on)
        for wakeup, part in (("poll", now.poll), ("wait", 1 - now.poll)):
            series.counter(when, "kvm_halts_total", halts * part * share, on | {"wakeup": wakeup})
            # A poll lasts 50 us, a sleep the rest; halted time is spread evenly over vCPUs.
            polled = halts * now.poll * 50e-6
            slept = max(0, halted - polled)
            seconds = polled * share if wakeup == "poll" else (
                slept * (1 / guest.vcpus if host.per_vcpu else 1))
            series.counter(when, "kvm_halt_seconds_total", seconds, on | {"wakeup": wakeup})
    handled(series, when, host, now, at, exits, halted)
    series.histogram(when, "kvm_timer_interval_seconds", timer_intervals(now, tick), INTERVALS, at)
    series.gauge(when, "kvm_vm_vcpus", guest.vcpus, at)
    series.gauge(when, "kvm_vm_vcpus_running", guest.vcpus - now.parked, at)
    series.gauge(when, "kvm_vm_tick_hertz", round(tick / guest.vcpus * (1 if now.hz else 0.8), 1), at)
    for finding in dict.fromkeys(("timer_storm", now.finds)):
        if finding:
            series.counter(when, "kvm_vm_finding_seconds_total", int(finding == now.finds),
                           at | {"finding": finding}, zero=True)
    series.gauge(when, "kvm_vm_start_time_seconds", now.start, at)
    uuid = f"{hash_of(guest.name) % 16**8:08x}-0e9a-4b7c-9f51-{abs(hash_of(guest.name)):012x}"
    series.gauge(when, "kvm_vm_info", 1, at | {
        "name": guest.name, "uuid": uuid, "domain": guest.name, "vmm": "qemu", "pid": now.pid,
        "namespace": "", "pod": "", "id": "", "project": host.project, "user": ""})


def handled(series, when, host, guest, at, exits, halted):
    """Time between exit and entry, latencies, returns to the VMM."""
    svm = host.isa == "svm"
    costs = {r: rate * COST[r] * (1 + 40 * guest.slow) for r, rate in exits.items() if r != "hlt"}
    for reason, seconds in (costs | {"hlt": halted}).items():
        series.counter(when, "kvm_exit_handling_seconds_total", seconds,
                       at | {"reason": REASONS[reason][svm]})
    rates = {}
    for reason, rate in exits.items():
        if reason in ("hlt", "pause"):
            continue
        for bound, part in spread(LATENCIES, COST[reason], 1.1).items():
            rates[bound] = rates.get(bound, 0) + rate * part * (1 - guest.slow)
        rates[2.0**-8] = rates.get(2.0**-8, 0) + rate * guest.slow
    series.histogram(when, "kvm_exit_latency_seconds", rates, LATENCIES, at)
    io = exits.get("io", 0)
    for reason, rate in (("KVM_EXIT_IO", io), ("restart", 0.4 * guest.vcpus)):
        series.counter(when, "kvm_userspace_exits_total", rate, at | {"reason": reason})
    series.counter(when, "kvm_userspace_seconds_total", io * 9e-6, at)
    devices(series, when, guest, at, io)
    busy = max(0, guest.vcpus - halted)
    for thread, cpus in (("vcpu", busy), ("vmm", 0.07 + io * 12e-6), ("vhost", io * 4e-6)):
        series.counter(when, "kvm_vm_cpu_seconds_total", cpus, at | {"thread": thread})
    series.counter(when, "kvm_vcpu_run_delay_seconds_total", busy * (0.01 + guest.slow), at)


def devices(series, when, guest, at, io):
    """A disk's queue, a clock that is looked at, and QEMU's HPET, which pulses its line though no one listens."""
    accesses = {("mmio", "write", "0xfebf1000"): 0.9 * io, ("port", "read", "0x608"): 0.1 * io + 0.2 * guest.vcpus}
    for (space, op, address), rate in accesses.items():
        series.counter(when, "kvm_io_exits_total", rate, at | {"space": space, "op": op, "address": address})
    for gsi, rate in (("0", 2004), ("8", 2), ("11", 0.3 * io)):
        series.counter(when, "kvm_interrupt_line_changes_total", rate, at | {"gsi": gsi})


def hash_of(name):
    return sum(ord(c) * 257**n for n, c in enumerate(name)) % 16**12


def scrape_exporter(series, when, host):
    at = host.target
    vcpus = sum(g.vcpus for g in host.guests)
    series.gauge(when, "kvm_host_info", 1, at | {
        "isa": host.isa, "kernel": "6.1.0-32-amd64", "halt_poll_ns": "200000",
        "preemption_timer": "Y" if host.isa == "vmx" else ""})
    series.gauge(when, "kvm_host_cpus", host.cpus, at)
    for cpus, hertz in clocks(when, host).items():
        series.gauge(when, "kvm_host_cpu_frequency_hertz", hertz, at | {"cpus": cpus})
    series.gauge(when, "process_start_time_seconds", START - 86400, at)
    series.gauge(when, "kvm_exporter_build_info", 1, at | {
        "version": "0.1.0", "revision": "6138e02", "compiler": "GCC 12.2.0"})
    for probe in PROBES:
        series.gauge(when, "kvm_exporter_probe_attached", 1, at | {"probe": probe})
        series.counter(when, "kvm_exporter_probe_missed_total", 0, at | {"probe": probe}, zero=True)
    for cause in ("table_full", "map_full", "reason_read", "unattributed"):
        rate = host.random.random() * 3 if cause == "unattributed" else 0
        series.counter(when, "kvm_exporter_events_lost_total", rate, at | {"cause": cause}, zero=True)
    for state, value in (("used", vcpus), ("free", 4096 - vcpus), ("lingering", 0)):
        series.gauge(when, "kvm_exporter_vcpu_slots", value, at | {"state": state})
    series.gauge(when, "kvm_exporter_scrape_duration_seconds",
                 host.page * (1 + 0.1 * host.random.random()), at)
    series.gauge(when, "kvm_exporter_series", vcpus * 14 + len(host.guests) * 50, at)
    series.counter(when, "process_cpu_seconds_total", 0.004 + 0.001 * host.random.random(), at)
    series.gauge(when, "process_resident_memory_bytes", 23.6e6 + 2000 * vcpus, at)


def clocks(when, host):
    """A host's CPUs clock down as far as its guests let them rest."""
    storm = any(g.at(when).hz == 1000 for g in host.guests)
    found = []
    for cpu in range(host.cpus):
        load = 0.5 + 0.45 * math.sin(cpu * 2.4 + when / 400) + host.random.gauss(0, 0.08)
        clock = 3.695e9 + host.random.gauss(0, 2e6) if storm else 0.8e9 + 2.3e9 * min(1, max(0, load))
        found.append(round(min(clock, 3.7e9)))
    return {"max": max(found), "mean": round(sum(found) / len(found))}


def yesterday():
    """What the rules made of the day before: an alert compares a guest with its own day."""
    for when in range(START - 86400, START, 30):
        for host in FLEET:
            for guest in host.guests:
                now = guest.at(when)
                exits = (sum(now.exits.values()) + now.tick + now.halts) * now.load(when)
                labels = ",".join(f'{k}="{v}"' for k, v in (host.target | {"vm": guest.name}).items())
                yield f"vm:kvm_exits:rate5m{{{labels}}} {exits} {when}\n"


def samples():
    """Lines of OpenMetrics, scrape by scrape."""
    series = Series()
    for when in range(START, END + 1, STEP):
        for host in FLEET:
            up = when < END - host.gone * 60 or not host.gone
            series.gauge(when, "up", int(up), host.target)
            if up:
                scrape_exporter(series, when, host)
                for guest in host.guests:
                    scrape_guest(series, when, host, guest)
        yield from series.lines
        series.lines.clear()
