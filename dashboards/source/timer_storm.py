# SPDX-License-Identifier: Apache-2.0
"""Which guest storms its host with timer ticks, and why."""

import grafana as g
import kvm
from kvm import CPUS, PER_SECOND

VERDICT = {2: ("storm", kvm.STORMING), 1: ("idle tick", kvm.TICKING), 0: ("quiet", kvm.GOOD)}
TIMER_MSRS = "IA32_TSC_DEADLINE|X2APIC_TMICT|HV_X64_MSR_STIMER[0-3]_(CONFIG|COUNT)"


MEAN = "(vm:kvm_timer_programs:rate5m{@vm} / vm:kvm_vm_vcpus:last5m{@vm})"
# How much of its tick a guest has for nothing, on each vCPU: what guests are ordered by here. The mean
# stands in where no vCPU is known (--metrics.per-vcpu=none), or one is still.
IDLE_TICKS = (f"(vm:kvm_timer_programs:min_rate5m{{@vm}} > 0 or {MEAN})"
              " * vm:kvm_halted:ratio_rate5m{@vm}")


def suspects():
    """One line a guest says it all. The figures are those that the alerts read."""
    def of_these(query):
        return f"sum by (vm, instance) ({query} and topk(12, {IDLE_TICKS}))"

    verdict = f"""
        (vm:kvm_timer_storm:min_rate5m{{@vm}} * 0 + 2) or ({kvm.idle_tick("@vm")} * 0 + 1)
        or vm:kvm_vm_vcpus:last5m{{@vm}} * 0
    """
    clock = """
        vm:kvm_vm_vcpus:last5m{@vm,node!=""} * 0 + on (node) group_left () avg by (node) (
          node_cpu_scaling_frequency_hertz / node_cpu_scaling_frequency_max_hertz)
    """
    return g.table(
        "Suspects",
        "Waste is a tick on every vCPU while the guest is halted: guests are ordered by tick times "
        "share halted. Tick: timer programmings of the slowest vCPU. Mean: of all vCPUs; far above "
        "the tick, one vCPU has a timer of its own. Wake-ups: halts that ended. Cost: CPU seconds "
        "a second between exit and entry. Clock: the host's CPUs against their top frequency "
        "(node_exporter).",
        {"vm": "guest", "instance": "host"},
        [
            g.column("verdict", of_these(f"({verdict})"), "none", mappings=g.words(VERDICT),
                     custom__cellOptions={"type": "color-background"}, custom__align="center"),
            g.column("vCPUs", of_these("vm:kvm_vm_vcpus:last5m{@vm}"), "none"),
            g.column("tick", of_these("vm:kvm_timer_programs:min_rate5m{@vm}"), "suffix: Hz", decimals=0),
            g.column("mean", of_these(MEAN), "suffix: Hz", decimals=0),
            g.column("halted", of_these("vm:kvm_halted:ratio_rate5m{@vm}"), "percentunit",
                     decimals=0),
            g.column("timer/s", of_these("vm:kvm_timer_programs:rate5m{@vm}"), "locale", decimals=0),
            g.column("wake-ups/s", of_these("vm:kvm_halts:rate5m{@vm}"), "locale", decimals=0),
            g.column("exits/s", of_these("vm:kvm_exits:rate5m{@vm}"), "locale", decimals=0),
            g.column("cost", of_these("vm:kvm_exit_handling_seconds:rate5m{@vm}"), CPUS, decimals=2),
            g.column("clock", of_these(f"({clock})"), "percentunit", decimals=0),
        ],
        first="verdict", sort=["verdict", "tick"],
        links={
            "guest": kvm.link("Guest", kvm.GUEST, kvm.cell("host"), kvm.cell("guest")),
            "host": kvm.link("Host", kvm.HOST, kvm.cell("host")),
        },
        alerts=["KvmTimerStorm", "KvmGuestIdleTick"], none=g.NO_RULES)


def by_guest(title, text, unit, series, **more):
    """The ten worst."""
    return g.graph(title, text, unit, {kvm.GUEST_NAME: g.top(10, IDLE_TICKS, series)}
                   | more.pop("also", {}),
                   table=True, links=[kvm.TO_GUEST], **{"none": g.NO_RULES} | more)


def tick_and_halt():
    tick = by_guest(
        "Tick: programmings of the slowest vCPU's timer",
        "A tick is on every vCPU, so the slowest has it, too; an application's timer is on one or a "
        "few. Dashed in grey: the tick rates that kernels are built with. Dashed in colour: where "
        "an idle tick and a storm begin, if the guest is halted.",
        "hertz", "vm:kvm_timer_programs:min_rate5m{@vm}", also=kvm.HZ, reference=kvm.HZ_LINES,
        log=True, min=1,
        thresholds={90: kvm.TICKING, 800: kvm.STORMING, 20000: kvm.STORMING},
        alerts=["KvmTimerStorm", "KvmGuestIdleTick"])
    halted = by_guest(
        "Halted: share of vCPU time",
        "Above the line a guest has nothing to tick for.",
        "percentunit", "vm:kvm_halted:ratio_rate5m{@vm}", min=0, max=1,
        thresholds={0.7: kvm.TICKING},
        alerts=["KvmTimerStorm", "KvmGuestIdleTick", "KvmGuestIdleWakeups"])
    return [tick, halted]


def writes_and_clock():
    writes = by_guest(
        "Timer programmings of the whole guest",
        "With a tick on each vCPU, one write of a timer MSR a tick, and each of them an exit. From "
        "the line on a slow tick, too, is a storm.",
        PER_SECOND, "vm:kvm_timer_programs:rate5m{@vm}", thresholds={10000: kvm.STORMING},
        alerts=["KvmTimerStorm"])
    return [writes, kvm.cpu_frequency("@vm")]


def why():
    writes = g.graph(
        "Timer writes, by MSR",
        "What guests program their timer with: the TSC deadline, the x2APIC's initial count, "
        "Hyper-V's synthetic timers. A guest in xAPIC mode writes no MSR.",
        PER_SECOND,
        {"{{msr}}": 'sum by (msr) (rate(kvm_msr_accesses_total{@vm,op="write",msr=~"%s"}'
                    "[$__rate_interval]))" % TIMER_MSRS},
        stack=True)
    return [kvm.intervals(), writes, kvm.timer_backend()]


def wakeups():
    slowest = by_guest(
        "Wake-ups of the slowest vCPU",
        "Halts that ended, on the vCPU with fewest. A guest that wakes without programming a timer "
        "(an APIC timer in periodic mode, interrupts) shows only here.",
        PER_SECOND, "vm:kvm_halts:min_rate5m{@vm}", thresholds={900: kvm.TICKING},
        alerts=["KvmGuestIdleWakeups"])
    return [slowest, kvm.exits_by_reason()]


def cost():
    minutes = g.graph(
        "Minutes of storm in the last hour",
        "A page comes five minutes after there are ten: a boot is shorter.",
        "none",
        {kvm.GUEST_NAME: "count_over_time(vm:kvm_timer_storm:min_rate5m{@vm}[1h:1m])"},
        thresholds={10: kvm.STORMING}, alerts=["KvmTimerStorm"], none="No storm",
        links=[kvm.TO_GUEST])
    spent = g.graph(
        "What it costs the host",
        "CPU seconds a second of the chosen guests: between exit and entry (waiting and the VMM "
        "left out), and polling for wake-ups. What it costs that no CPU rests is not in it.",
        CPUS,
        {"exits": "sum(vm:kvm_exit_handling_seconds:rate5m{@vm})",
         "polling": "sum(vm:kvm_halt_poll_seconds:rate5m{@vm})"},
        stack=True)
    return [minutes, spent]


def dashboard():
    return g.dashboard(
        kvm.STORM, "KVM / Timer storm triage",
        "Which guest storms its host with timer ticks while it has nothing to do, how fast it "
        "ticks, and what the host pays. Needs the recording rules.",
        kvm.GUESTS,
        [(11, [suspects()]), (10, tick_and_halt()), (9, writes_and_clock()), (9, why()),
         (9, wakeups()), (7, cost())])
