# SPDX-License-Identifier: Apache-2.0
"""Every host: who storms, who costs, is everything being watched?"""

import grafana as g
import kvm
from kvm import EXITS, PER_SECOND

# An alert may have no instance (KvmTimerStorm of a VM that may migrate): hence the empty alternatives.
FIRING = """
    ALERTS{alertname=~"Kvm.+",alertstate="firing",job=~"$job|",instance=~"$instance|",severity="%s"}
"""


SEVERITIES = {3: ("critical", "red"), 2: ("warning", "orange"), 1: ("info", "blue")}


def count(what):
    return f"count({what}) or vector(0)"


def summary():
    return [
        g.stat(
            "Storms", "Guests in which the exporter has found a timer storm: idle, and they wake their hosts "
            "all the time.",
            "none", count(kvm.found("timer_storm")), thresholds={1: kvm.STORMING}, alerts=["KvmTimerStorm"]),
        g.stat(
            "Idle ticks", "Guests that tick while they are idle, below a storm.",
            "none", count(kvm.found("idle_tick")), thresholds={1: kvm.TICKING}),
        g.stat(
            "Not watched",
            "Hosts that do not answer, or whose exporter is too old to find anything: a storm there goes unseen.",
            "none", count("""
            up{@host} == 0
            or on (job, instance)
            max by (job, instance) (kvm_vm_vcpus{@host})
              unless on (job, instance) rate(kvm_vm_finding_seconds_total{@host}[$__rate_interval])
            """),
            thresholds={1: "red"}, alerts=["KvmExporterDown", "KvmExporterWithoutFindings"]),
        g.stat(
            "Hosts",
            "Hosts that answer. None at all is a mistake in service discovery or in the network.",
            "none", count("up{@host} == 1"), below="red", thresholds={1: "green"},
            alerts=["KvmExporterAbsent"]),
        g.stat("Guests", "VMs that exist.", "none", count("kvm_vm_vcpus{@host}")),
        g.stat("vCPUs", "vCPUs that exist.", "none", "sum(kvm_vm_vcpus{@host})"),
        g.stat("Exits", "VM exits of all guests.", EXITS, "sum(instance:kvm_exits:rate5m{@host})",
               none=g.NO_RULES),
        g.stat(
            "CPUs for exits",
            "The share of all hosts' CPUs that goes into exits; waiting and the VMM left out.",
            "percentunit",
            "sum(vm:kvm_exit_handling_seconds:rate5m{@host}) / sum(kvm_host_cpus{@host})", decimals=1,
            none=g.NO_RULES),
    ]


def worst_guests():
    return kvm.guests(
        "Guests, the worst first",
        "What the exporter has found in guests, then the guests that cost their hosts most. " + kvm.COST,
        "@host", 11, ("vCPUs", "kvm_vm_vcpus{@host}", "none"), widths={"guest": 170, "host": 150})


def alerts():
    rank = " or ".join(
        f"{FIRING % severity} * 0 + {value}" for value, (severity, _) in SEVERITIES.items())
    runbook = {"title": "Runbook", "targetBlank": True,
               "url": f"${{runbooks}}{kvm.cell('alert')}.md"}
    return g.table(
        "Alerts that fire",
        "Of all severities; info is sent to nobody. An alert leads to its runbook, a guest and a "
        "host to their dashboards. KvmTimerStorm has no host where the VM has a uuid: it may migrate.",
        {"alertname": "alert", "vm": "guest", "instance": "host"},
        [g.column("severity", f"max by (alertname, vm, instance) ({rank})", "none",
                  mappings=g.words(SEVERITIES),
                  custom__cellOptions={"type": "color-background"})],
        first="severity", sort=["severity", "alert"], widths={"alert": 190},
        links={
            "alert": runbook,
            # On whichever host: the alert of one that may migrate has none.
            "guest": kvm.link("Timer storm triage", kvm.STORM, "$__all", kvm.cell("guest")),
            "host": kvm.link("Host", kvm.HOST, kvm.cell("host")),
        },
        none="None", w=10)


def findings():
    return g.graph(
        "Guests with a finding",
        "How many guests the exporter has found something in, by what it is.", "none",
        {word: f"count({kvm.found(finding)})" for finding, word, _ in kvm.FINDINGS.values()},
        stack=True, alerts=kvm.OF_FINDINGS[2:], none="None")


def hosts():
    overhead = g.graph(
        "Exit overhead, by host",
        "The share of its CPUs that a host spends in the kernel between exit and entry.",
        "percentunit", {"{{instance}}": g.top(20, "instance:kvm_exit_handling:ratio_rate5m{@host}")},
        table=True, thresholds={0.1: "orange", 0.25: "red"}, alerts=["KvmHostExitOverheadHigh"],
        links=[kvm.TO_HOST], none=g.NO_RULES)
    idle = g.graph(
        "Wake-ups of each CPU by idle ticks, by host",
        "How often, on average, guests that tick while they are idle wake a CPU of their host. Guests that storm "
        "are not in it.",
        PER_SECOND, {"{{instance}}": g.top(20, "instance:kvm_idle_tick_halts:per_cpu_rate5m{@host}")},
        table=True, thresholds={200: "orange"}, alerts=["KvmHostIdleWakeups"], links=[kvm.TO_HOST],
        none="No guest ticks while idle")
    return [overhead, idle]


def rates():
    exits = g.graph(
        "Exits, by host", "VM exits of a host's guests; the 20 highest.", EXITS,
        {"{{instance}}": g.top(20, "instance:kvm_exits:rate5m{@host}")}, table=True,
        links=[kvm.TO_HOST], none=g.NO_RULES)
    wakeups = g.graph(
        "Wake-ups, by host", "Halts of a host's guests that ended; the 20 highest.", PER_SECOND,
        {"{{instance}}": g.top(20, "instance:kvm_halts:rate5m{@host}")}, table=True,
        links=[kvm.TO_HOST], none=g.NO_RULES)
    return [exits, wakeups]


def guests():
    return [
        g.graph(
            "Exits, by guest", "VM exits of the ten highest of the dashboard's time.", EXITS,
            {kvm.GUEST_NAME: g.top(10, "vm:kvm_exits:rate5m{@host}")},
            table=True, links=[kvm.TO_GUEST], none=g.NO_RULES),
        g.graph(
            "Wake-ups, by guest", "Halts that ended, of the ten highest of the dashboard's time.", PER_SECOND,
            {kvm.GUEST_NAME: g.top(10, "vm:kvm_halts:rate5m{@host}")},
            table=True, links=[kvm.TO_GUEST], none=g.NO_RULES),
    ]


def dashboard():
    return g.dashboard(
        kvm.FLEET, "KVM / Fleet",
        "All KVM hosts: guests that storm or tick while idle, exits and what they cost, hosts that "
        "are not watched. Needs the recording rules, and none of the vCPUs.",
        kvm.HOSTS,
        [(4, summary()), (13, [worst_guests()]), (9, [alerts(), findings()]), (8, hosts()), (8, rates()),
         (8, guests())], alerts="@host")
