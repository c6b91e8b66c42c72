# SPDX-License-Identifier: Apache-2.0
"""Which guest storms its host with timer ticks, and why."""

import grafana as g
import kvm
from kvm import PER_SECOND

# How much of its tick a guest has for nothing, on most vCPUs: what guests are ordered by here.
IDLE_TICKS = "kvm_vm_tick_hertz{@vm} * vm:kvm_halted:ratio_rate5m{@vm}"
SHARE = 'vm:kvm_vm_finding:ratio_rate10m{@vm,finding=~"timer_storm|idle_tick"}'
ALERTS = ["KvmTimerStorm", "KvmGuestIdleTick"]


def suspects():
    """One line a guest says it all."""
    return kvm.guests(
        "Suspects",
        "What the exporter has found, the worst first; then the guests that cost most. " + kvm.COST,
        "@vm", 9,
        ("vCPUs", "kvm_vm_vcpus{@vm}", "none"),
        ("of them run", "kvm_vm_vcpus_running{@vm}", "none"),
        ("wake-ups", "vm:kvm_halts:rate5m{@vm}", PER_SECOND),
        ("has stormed for", 'sum without (finding) (increase(kvm_vm_finding_seconds_total{@vm,finding="timer_storm"}[$__range]))', "s"),
        widths={"guest": 150, "host": 140})


def by_guest(title, text, unit, series, **more):
    """The ten worst."""
    return g.graph(title, text, unit, {kvm.GUEST_NAME: g.top(10, IDLE_TICKS, series)}
                   | more.pop("also", {}),
                   table=True, links=[kvm.TO_GUEST], **{"none": "No guest runs"} | more)


def tick_and_halt():
    tick = by_guest(
        "Tick: what most vCPUs reach",
        "Timer programmings a second that three quarters of its running vCPUs reach; wake-ups, where it programs "
        "no timer. Dashed: the tick rates that kernels are built with. From 10,000 on a timer runs away.",
        "hertz", "kvm_vm_tick_hertz{@vm}", also=kvm.HZ, reference=kvm.HZ_LINES, log=True, min=1)
    halted = by_guest(
        "Halted: share of vCPU time",
        "Above 70 % a guest has nothing to tick for.",
        "percentunit", "vm:kvm_halted:ratio_rate5m{@vm}", min=0, max=1, none=g.NO_RULES)
    return [tick, halted]


def found():
    share = g.graph(
        "Found, share of the last ten minutes",
        "For how much of them the exporter found it. Above the line alerts fire.",
        "percentunit", {"{{finding}}, {{vm}} on {{instance}}": g.top(10, SHARE)}, table=True,
        thresholds={0.5: kvm.STORMING}, min=0, max=1, alerts=ALERTS, links=[kvm.TO_GUEST], none="Nothing")
    return [share, kvm.cpu_frequency("@host")]


def wakeups():
    total = by_guest(
        "Wake-ups of the whole guest",
        "Halts that ended. An idle tick that makes more than the line is a ticket; from 10,000 on it is a storm.",
        PER_SECOND, "vm:kvm_halts:rate5m{@vm}", thresholds={5000: kvm.TICKING}, alerts=["KvmGuestIdleTick"],
        none=g.NO_RULES)
    each = by_guest(
        "Wake-ups of each CPU of the host",
        "By a guest, on average over the host's CPUs. Above 200 a second no CPU sleeps deeply.",
        PER_SECOND, kvm.woken("@vm"), none=g.NO_RULES)
    return [total, each]


def why():
    writes = g.graph(
        "Timer writes, by MSR",
        "What guests program their timer with: the TSC deadline, the x2APIC's initial count, "
        "Hyper-V's synthetic timers. A guest in xAPIC mode writes no MSR.",
        PER_SECOND,
        {"{{msr}}": 'sum by (msr) (rate(kvm_msr_accesses_total{@vm,op="write",msr=~"%s"}'
                    "[$__rate_interval]))" % kvm.TIMER_MSRS},
        stack=True)
    return [kvm.intervals(), writes, kvm.timer_backend()]


def cost():
    spent = by_guest(
        "What it costs the host",
        "The share of the host's CPUs that exits (waiting and the VMM left out) and polling for wake-ups take. "
        "What it costs that no CPU rests is not in it.",
        "percentunit", kvm.cost("@vm"), none=g.NO_RULES)
    return [spent, kvm.exits_by_reason()]


def dashboard():
    return g.dashboard(
        kvm.STORM, "KVM / Timer storm triage",
        "Which guest storms its host with timer ticks while it has nothing to do, how fast it "
        "ticks, and what the host pays. Needs the recording rules.",
        kvm.GUESTS,
        [(11, [suspects()]), (10, tick_and_halt()), (9, found()), (9, wakeups()), (9, why()), (8, cost())],
        alerts="@vm", starts="@vm")
