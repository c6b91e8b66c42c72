# SPDX-License-Identifier: Apache-2.0
"""One host: its guests beside each other, and the health of its exporter."""

import grafana as g
import kvm
from kvm import CPUS, EXITS, PER_SECOND


def by_guest(title, text, unit, query, **more):
    """All guests of the host, each a line."""
    return g.graph(title, text, unit, {kvm.GUEST_NAME: query}, table=True, links=[kvm.TO_GUEST],
                   **{"none": g.NO_RULES} | more)


def summary():
    info = g.table(
        "Host", "How KVM is set up, and how many CPUs are online.",
        {"instance": "host", "isa": "isa", "kernel": "kernel",
         "preemption_timer": "hv timer", "halt_poll_ns": "halt_poll_ns"},
        [g.column("CPUs", "max by (instance, isa, kernel, preemption_timer, halt_poll_ns) (kvm_host_info{@host} "
                  "* on (job, instance) group_left () kvm_host_cpus{@host})", "none")],
        widths={"kernel": 130}, w=9)
    return [
        info,
        g.stat("Guests", "VMs that exist.", "none", "count(kvm_vm_vcpus{@host}) or vector(0)"),
        g.stat("vCPUs", "vCPUs that exist.", "none", "sum(kvm_vm_vcpus{@host})"),
        g.stat("Storms", "Guests in which the exporter has found a timer storm.",
               "none", f"count({kvm.found('timer_storm')}) or vector(0)",
               thresholds={1: kvm.STORMING}, alerts=["KvmTimerStorm"]),
        g.stat("Exits", "VM exits of all guests.", EXITS,
               "sum(rate(kvm_exits_total{@host}[$__rate_interval]))"),
        g.stat("Exit overhead",
               "The share of its CPUs that the host spends between exit and entry; waiting "
               "and the VMM left out.",
               "percentunit", "max(instance:kvm_exit_handling:ratio_rate5m{@host})", decimals=1,
               thresholds={0.1: "orange", 0.25: "red"}, alerts=["KvmHostExitOverheadHigh"],
               none=g.NO_RULES),
    ]


def verdicts():
    return kvm.guests(
        "Verdict, by guest", "What the exporter has found in this host's guests, the worst first. " + kvm.COST,
        "@host", 30, ("vCPUs", "kvm_vm_vcpus{@host}", "none"),
        ("of them run", "kvm_vm_vcpus_running{@host}", "none"), widths={"guest": 170, "host": 150},
        alerts=["KvmHostIdleWakeups"])


def exits():
    return [
        by_guest("Exits, by guest", "VM exits a second.", EXITS, "vm:kvm_exits:rate5m{@host}"),
        by_guest("Cost, by guest",
                 "The share of the host's CPUs that exits and polling for wake-ups take; waiting and the VMM "
                 "left out.",
                 "percentunit", kvm.cost("@host")),
    ]


def wakeups():
    idle = g.graph(
        "Wake-ups of each CPU by idle ticks",
        "How often guests that tick while they are idle wake a CPU of their host, on average. Guests that storm "
        "are not in it.",
        PER_SECOND, {"{{instance}}": "instance:kvm_idle_tick_halts:per_cpu_rate5m{@host}"},
        thresholds={200: "orange"}, soft_max=250, alerts=["KvmHostIdleWakeups"],
        none="No guest ticks while idle")
    guests = by_guest(
        "Wake-ups, by guest",
        "Halts that ended. A guest with an idle tick that makes more than the line is a ticket by itself.",
        PER_SECOND, "vm:kvm_halts:rate5m{@host}", thresholds={5000: "orange"},
        alerts=["KvmGuestIdleTick", "KvmHostIdleWakeups"])
    return guests, idle


def ticks():
    return [
        by_guest("Tick, by guest",
                 "How often three quarters of its running vCPUs program their timers. Harmless in a busy guest, "
                 "waste in one that is halted.",
                 "hertz", "kvm_vm_tick_hertz{@host}", log=True, min=1, none="No guest runs"),
        by_guest("Halted, by guest", "The share of a guest's vCPU time that it is halted.",
                 "percentunit", "vm:kvm_halted:ratio_rate5m{@host}", min=0, max=1),
    ]


def extremes():
    return [
        by_guest("Slow exits: p99, by guest",
                 "The time under which 99 of 100 exits are handled, halts left out. Guests with few "
                 "exits are not shown: there a percentile says nothing; nor are encrypted ones, whose halts "
                 "cannot be told from other exits.",
                 "s", """
                 (histogram_quantile(0.99, rate(kvm_exit_latency_seconds_bucket{@host}[$__rate_interval]))
                 and rate(kvm_exit_latency_seconds_count{@host}[$__rate_interval]) > 100
                 or histogram_quantile(0.99, rate(kvm_exit_latency_seconds{@host}[$__rate_interval]))
                 and histogram_count(rate(kvm_exit_latency_seconds{@host}[$__rate_interval])) > 100)
                 unless on (job, instance, vm) rate(kvm_exits_total{@host,reason="vmgexit"}[$__rate_interval])
                 """,
                 thresholds={0.001: "orange"}, alerts=["KvmExitHandlingSlow"]),
        by_guest("Returns to the VMM, by guest",
                 "How often KVM_RUN returns to the VMM: several times as costly as an exit that the "
                 "kernel handles.",
                 PER_SECOND,
                 "sum without (vcpu, reason) (rate(kvm_userspace_exits_total{@host}[$__rate_interval]))"),
    ]


def polling():
    return by_guest("Polling for wake-ups, by guest",
                    "CPUs that the host keeps awake to poll for a halted guest's wake-ups. From one CPU on the "
                    "exporter calls it a waste.",
                    CPUS, "vm:kvm_halt_poll_seconds:rate5m{@host}", alerts=["KvmHaltPollWaste"])


def hardware():
    return by_guest(
        "Busy guests without the VMX preemption timer",
        "Share of timer armings on a timer of the host, of guests that arm their timer often and "
        "are seldom halted; Intel only.",
        "percentunit",
        """
        sum without (vcpu, timer) (rate(kvm_timer_arms_total{@host,timer="sw"}[$__rate_interval]))
          / sum without (vcpu, timer) (rate(kvm_timer_arms_total{@host}[$__rate_interval]))
        and sum without (vcpu, timer) (rate(kvm_timer_arms_total{@host}[$__rate_interval])) > 100
        and vm:kvm_halted:ratio_rate5m{@host} < 0.3
        and on (job, instance) kvm_host_info{@host,isa="vmx"}
        """,
        thresholds={0.9: "orange"}, min=0, max=1, none="No busy guest, or no VMX",
        alerts=["KvmHvTimerUnused"])


def old_timers():
    return g.graph(
        "Old timers",
        "The share of the host's CPUs that VMMs take for guests whose PIT, HPET or real-time clock pulses its "
        "interrupt line at a tick's rate; of each a tenth of a CPU at most.",
        "percentunit",
        {"{{instance}}": f"""
        sum without (vm) (
          clamp_max(
            sum without (thread) (rate(kvm_vm_cpu_seconds_total{{@host,thread=~"vmm|pit"}}[$__rate_interval]))
            and on (job, instance, vm)
            {kvm.found("interrupt_line_storm")},
            0.1
          )
        ) / on (job, instance) group_left () max by (job, instance) (kvm_host_cpus{{@host}})
        """},
        thresholds={0.03: "orange"}, soft_max=0.04, min=0, alerts=["KvmHostInterruptLines"],
        none="No guest has one that pulses")


def exporter():
    probes = g.stat(
        "Events that are counted",
        "Whether the exporter is attached to each kernel event; none is while KVM is not loaded.",
        "none", "min by (probe) (kvm_exporter_probe_attached{@host})", name="{{probe}}", line=False,
        mappings=g.words({1: ("attached", "green"), 0: ("detached", "red")}),
        alerts=["KvmExporterProbeDetached"], w=13)
    return [
        g.stat("Scraped", "Whether Prometheus reaches the exporter.", "none", "min(up{@host})",
               line=False, mappings=g.words({1: ("up", "green"), 0: ("down", "red")}),
               alerts=["KvmExporterDown"], w=3),
        g.stat("Starts in the last half hour", "Each time the exporter is blind for ten seconds.", "none",
               "max(changes(process_start_time_seconds{@host}[30m]))", line=False, thresholds={3: "orange"},
               alerts=["KvmExporterFlapping"], w=4),
        g.stat("Version", "Of the exporter.", "none",
               "count by (version) (kvm_exporter_build_info{@host})", name="{{version}}", mode="name",
               line=False, w=4),
        probes,
    ]


def losses():
    return [
        g.graph("Events lost",
                "Events that no counter has, by cause, and events that the kernel did not run the "
                "program for, by probe. For table_full raise --bpf.max-vcpus.",
                PER_SECOND,
                {"{{cause}}": "sum by (cause) (rate(kvm_exporter_events_lost_total"
                              '{@host,cause!="unattributed"}[$__rate_interval]))',
                 "missed by {{probe}}": "sum by (probe) (rate(kvm_exporter_probe_missed_total"
                                        "{@host}[$__rate_interval]))"},
                thresholds={1: "orange"}, soft_max=2, alerts=["KvmExporterEventsLost"]),
        g.graph("Events of no VM",
                "Raised in an interrupt, or by a process that has run no vCPU: counted, only not "
                "for a VM.",
                PER_SECOND,
                {"{{instance}}": "sum by (instance) (rate(kvm_exporter_events_lost_total"
                                 '{@host,cause="unattributed"}[$__rate_interval]))'},
                thresholds={1000: "orange"}, alerts=["KvmExporterEventsLost"]),
        g.graph("Room for vCPUs", "Taken of --bpf.max-vcpus; lingering: kept for a VM that ended.",
                "percentunit",
                {"{{state}}": 'sum by (state) (kvm_exporter_vcpu_slots{@host,state!="free"})'
                              " / ignoring (state) group_left ()"
                              " sum without (state) (sum by (state) (kvm_exporter_vcpu_slots{@host}))"},
                stack=True, min=0, max=1),
    ]


def page():
    return [
        g.graph("Scrape", "How long the exporter takes to make its page.", "s",
                {"{{instance}}": "kvm_exporter_scrape_duration_seconds{@host}"},
                thresholds={1: "orange"}, alerts=["KvmExporterScrapeSlow"]),
        g.graph("Series", "In the page, without the exporter's own.", "short",
                {"{{instance}}": "kvm_exporter_series{@host}"}),
        g.graph("Exporter: CPU", "CPU seconds a second of the exporter's process.", "percentunit",
                {"{{instance}}": "rate(process_cpu_seconds_total{@host}[$__rate_interval])"}),
        g.graph("Exporter: memory", "Resident; the kernel's table of vCPUs, which it maps, is in it.",
                "bytes", {"{{instance}}": "process_resident_memory_bytes{@host}"}),
    ]


def dashboard():
    every_guest, idle_ticks = wakeups()
    exit_rates, costs = exits()
    ticks_of, halted = ticks()
    return g.dashboard(
        kvm.HOST, "KVM / Host",
        "One KVM host: its guests beside each other, and the health of its exporter. Needs the "
        "recording rules; the exporter's part does without.",
        kvm.HOSTS,
        [(4, summary()), (12, [verdicts()]),
         (8, [kvm.cpu_frequency("@host"), idle_ticks]), (9, [every_guest, ticks_of]), (9, [costs, halted]),
         (9, [exit_rates, kvm.exits_by_reason("@host")]), (9, extremes()),
         (8, [kvm.msrs("@host"), polling()]), (8, [hardware(), old_timers()]),
         (1, [g.row("Exporter")]), (4, exporter()), (7, losses()), (7, page())],
        alerts="@host", starts="@host")
