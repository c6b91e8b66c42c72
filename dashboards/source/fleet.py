# SPDX-License-Identifier: Apache-2.0
"""Every host: who storms, who costs, is everything being watched?"""

import grafana as g
import kvm
from kvm import CPUS, EXITS, PER_SECOND

# An alert may have no instance (KvmExporterAbsent): hence the empty alternatives.
FIRING = """
    ALERTS{alertname=~"Kvm.+",alertstate="firing",job=~"$job|",instance=~"$instance|",severity="%s"}
"""


SEVERITIES = {3: ("critical", "red"), 2: ("warning", "orange"), 1: ("info", "blue")}


def count(what):
    return f"count({what}) or vector(0)"


def summary():
    return [
        g.stat(
            "Storms",
            "Guests that are halted while every vCPU's timer ticks on, at a rate that costs.",
            "none", count("vm:kvm_timer_storm:min_rate5m{@host}"),
            thresholds={1: kvm.STORMING}, alerts=["KvmTimerStorm"]),
        g.stat(
            "Idle ticks",
            "Guests that are halted while every vCPU's timer ticks on, at any rate.",
            "none", count(kvm.idle_tick("@host")),
            thresholds={1: kvm.TICKING}, alerts=["KvmGuestIdleTick"]),
        g.stat(
            "Not scraped",
            "Hosts that do not answer: a storm there goes unseen.",
            "none", count("up{@host} == 0"),
            thresholds={1: "red"}, alerts=["KvmExporterDown"]),
        g.stat(
            "Hosts",
            "Hosts that answer. None at all is a mistake in service discovery or in the network.",
            "none", count("up{@host} == 1"), below="red", thresholds={1: "green"},
            alerts=["KvmExporterAbsent"]),
        g.stat("Guests", "VMs seen to run.", "none", count("kvm_vm_vcpus{@host}")),
        g.stat("vCPUs", "vCPUs seen to run.", "none", "sum(kvm_vm_vcpus{@host})"),
        g.stat("Exits", "VM exits of all guests.", EXITS, "sum(instance:kvm_exits:rate5m{@host})",
               none=g.NO_RULES),
        g.stat(
            "CPUs for exits",
            "CPU seconds a second in the kernel between exit and entry, waiting and the VMM left "
            "out.",
            CPUS, "sum(instance:kvm_exit_handling_seconds:rate5m{@host})", decimals=1,
            none=g.NO_RULES),
    ]


def alerts():
    rank = " or ".join(
        f"{FIRING % severity} * 0 + {value}" for value, (severity, _) in SEVERITIES.items())
    runbook = {"title": "Runbook", "targetBlank": True,
               "url": f"${{runbooks}}{kvm.cell('alert')}.md"}
    return g.table(
        "Alerts that fire",
        "Of all severities; info is sent to nobody. An alert leads to its runbook, a guest and a "
        "host to their dashboards.",
        {"alertname": "alert", "vm": "guest", "instance": "host"},
        [g.column("severity", f"max by (alertname, vm, instance) ({rank})", "none",
                  mappings=g.words(SEVERITIES),
                  custom__cellOptions={"type": "color-background"})],
        first="severity", sort=["severity", "alert"], widths={"alert": 190},
        links={
            "alert": runbook,
            "guest": kvm.link("Timer storm triage", kvm.STORM, kvm.cell("host"), kvm.cell("guest")),
            "host": kvm.link("Host", kvm.HOST, kvm.cell("host")),
        },
        none="None", w=10)


def costly_guests():
    """Guests ordered by what their exits cost the host; the other figures for those alone."""
    cost = "vm:kvm_exit_handling_seconds:rate5m{@host}"

    def of_these(query):
        return f"sum by (vm, instance) ({query} and topk(10, {cost}))"

    return g.table(
        "Guests whose exits cost most",
        "The ten guests on whose exits their hosts spend most CPU time now. Tick: how often the "
        "slowest of its vCPUs programs its timer.",
        {"vm": "guest", "instance": "host"},
        [
            g.column("CPUs", of_these(cost), CPUS, decimals=2),
            g.column("exits", of_these("vm:kvm_exits:rate5m{@host}"), PER_SECOND),
            g.column("timer programs", of_these("vm:kvm_timer_programs:rate5m{@host}"), PER_SECOND),
            g.column("tick", of_these("vm:kvm_timer_programs:min_rate5m{@host}"), PER_SECOND),
            g.column("halted", of_these("vm:kvm_halted:ratio_rate5m{@host}"), "percentunit",
                     decimals=0),
        ],
        sort=["CPUs"],
        links={
            "guest": kvm.link("Guest", kvm.GUEST, kvm.cell("host"), kvm.cell("guest")),
            "host": kvm.link("Host", kvm.HOST, kvm.cell("host")),
        },
        none=g.NO_RULES)


def hosts():
    overhead = g.graph(
        "Exit overhead, by host",
        "The part of its vCPUs' time that a host spends in the kernel between exit and entry.",
        "percentunit", {"{{instance}}": g.top(20, "instance:kvm_exit_handling:ratio_rate5m{@host}")},
        table=True, thresholds={0.1: "orange", 0.25: "red"}, alerts=["KvmHostExitOverheadHigh"],
        links=[kvm.TO_HOST], none=g.NO_RULES)
    exits = g.graph(
        "Exits, by host", "VM exits of a host's guests; the 20 highest.", EXITS,
        {"{{instance}}": g.top(20, "instance:kvm_exits:rate5m{@host}")}, table=True,
        links=[kvm.TO_HOST], none=g.NO_RULES)
    return [exits, overhead]


def timers():
    storms = g.graph(
        "Storming guests",
        "How often the slowest vCPU programs its timer, for as long as the guest storms.",
        PER_SECOND, {kvm.GUEST_NAME: g.top(20, "vm:kvm_timer_storm:min_rate5m{@host}")},
        table=True, links=[kvm.TO_GUEST], none="No guest storms", alerts=["KvmTimerStorm"])
    programs = g.graph(
        "Timer programmings, by host",
        "How often guests program their timers: TSC_DEADLINE, the x2APIC's, Hyper-V's.",
        PER_SECOND, {"{{instance}}": g.top(20, "instance:kvm_timer_programs:rate5m{@host}")},
        table=True, links=[kvm.TO_HOST], none=g.NO_RULES)
    return [programs, storms]


def guests():
    return [
        g.graph(
            "Exits, by guest", "VM exits of the ten highest of the dashboard's time.", EXITS,
            {kvm.GUEST_NAME: g.top(10, "vm:kvm_exits:rate5m{@host}")},
            table=True, links=[kvm.TO_GUEST], none=g.NO_RULES),
        g.graph(
            "Cost of exits, by guest",
            "CPU seconds a second between exit and entry; the ten highest of the dashboard's time.",
            CPUS, {kvm.GUEST_NAME: g.top(10, "vm:kvm_exit_handling_seconds:rate5m{@host}")},
            table=True, links=[kvm.TO_GUEST], none=g.NO_RULES),
    ]


def dashboard():
    return g.dashboard(
        kvm.FLEET, "KVM / Fleet",
        "All KVM hosts: guests that storm or tick while idle, exits and what they cost, hosts that "
        "are not watched. Needs the recording rules.",
        kvm.HOSTS,
        [(4, summary()), (11, [alerts(), costly_guests()]), (8, hosts()), (8, timers()),
         (8, guests())])
