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
        "Host", "How KVM is set up: kvm_host_info.",
        {"instance": "host", "isa": "isa", "kernel": "kernel",
         "preemption_timer": "hv timer", "halt_poll_ns": "halt_poll_ns"},
        [g.column("hosts", "count by (instance, isa, kernel, preemption_timer, halt_poll_ns) "
                  "(kvm_host_info{@host})", "none")],
        hide=["Value"], widths={"kernel": 140}, w=9)
    return [
        info,
        g.stat("Guests", "VMs seen to run.", "none", "count(kvm_vm_vcpus{@host}) or vector(0)"),
        g.stat("vCPUs", "vCPUs seen to run.", "none", "sum(kvm_vm_vcpus{@host})"),
        g.stat("Storms", "Halted guests whose every vCPU ticks on, at a rate that costs.",
               "none", "count(vm:kvm_timer_storm:min_rate5m{@host}) or vector(0)",
               thresholds={1: kvm.STORMING}, alerts=["KvmTimerStorm"]),
        g.stat("Exits", "VM exits of all guests.", EXITS,
               "sum(rate(kvm_exits_total{@host}[$__rate_interval]))"),
        g.stat("Exit overhead",
               "The part of its vCPUs' time that the host spends between exit and entry; waiting "
               "and the VMM left out.",
               "percentunit", "max(instance:kvm_exit_handling:ratio_rate5m{@host})", decimals=1,
               thresholds={0.1: "orange", 0.25: "red"}, alerts=["KvmHostExitOverheadHigh"],
               none=g.NO_RULES),
    ]


def exits():
    return [
        by_guest("Exits, by guest", "VM exits a second.", EXITS, "vm:kvm_exits:rate5m{@host}"),
        by_guest("Cost of exits, by guest",
                 "CPU seconds a second between exit and entry; waiting and the VMM left out.",
                 CPUS, "vm:kvm_exit_handling_seconds:rate5m{@host}"),
    ]


def ticks():
    return [
        by_guest("Tick of the slowest vCPU, by guest",
                 "How often the slowest vCPU programs its timer. Harmless in a busy guest, waste in "
                 "one that is halted.",
                 "hertz", "vm:kvm_timer_programs:min_rate5m{@host}", log=True, min=1),
        by_guest("Halted, by guest", "The share of a guest's vCPU time that it is halted.",
                 "percentunit", "vm:kvm_halted:ratio_rate5m{@host}", min=0, max=1),
    ]


def extremes():
    return [
        by_guest("Exits of the busiest vCPU, by guest",
                 "At a few microseconds each, so many leave the guest little of its vCPU's time.",
                 EXITS, "vm:kvm_exits:max_rate5m{@host}", thresholds={50000: "orange"},
                 alerts=["KvmExitRateHigh"]),
        by_guest("Slow exits: p99, by guest",
                 "The time under which 99 of 100 exits are handled, halts left out. Guests with few "
                 "exits are not shown: there a percentile says nothing.",
                 "s",
                 "vm:kvm_exit_latency_seconds:p99_rate5m{@host} "
                 "and vm:kvm_exit_latency_seconds_count:rate5m{@host} > 100",
                 thresholds={0.001: "orange"}, alerts=["KvmExitHandlingSlow"]),
    ]


def others():
    return [
        by_guest("Returns to the VMM, by guest",
                 "How often KVM_RUN returns to the VMM: several times as costly as an exit that the "
                 "kernel handles.",
                 PER_SECOND, "vm:kvm_userspace_exits:rate5m{@host}", thresholds={10000: "orange"},
                 alerts=["KvmUserspaceExitStorm"]),
        by_guest("Polling for wake-ups, by guest",
                 "CPUs that the host keeps awake to poll for a halted guest's wake-ups.",
                 CPUS, "vm:kvm_halt_poll_seconds:rate5m{@host}", thresholds={1: "orange"},
                 alerts=["KvmHaltPollWaste"]),
    ]


def hardware():
    unused = by_guest(
        "Busy guests without the VMX preemption timer",
        "Share of timer armings on a timer of the host, of guests that arm their timer often and "
        "are seldom halted; Intel only.",
        "percentunit",
        """
        vm:kvm_timer_arms:rate5m{@host,timer="sw"}
          / ignoring (timer) sum without (timer) (vm:kvm_timer_arms:rate5m{@host})
        and sum without (timer) (vm:kvm_timer_arms:rate5m{@host}) > 100
        and vm:kvm_halted:ratio_rate5m{@host} < 0.3
        and on (job, instance) kvm_host_info{@host,isa="vmx"}
        """,
        thresholds={0.9: "orange"}, min=0, max=1, none="No busy guest, or no VMX",
        alerts=["KvmHvTimerUnused"])
    return [kvm.cpu_frequency("@host"), unused]


def exporter():
    probes = g.stat(
        "Events that are counted",
        "Whether the exporter is attached to each kernel event; none is while KVM is not loaded.",
        "none", "min by (probe) (kvm_exporter_probe_attached{@host})", name="{{probe}}", line=False,
        mappings=g.words({1: ("attached", "green"), 0: ("detached", "red")}),
        alerts=["KvmExporterProbeDetached"], w=16)
    return [
        g.stat("Scraped", "Whether Prometheus reaches the exporter.", "none", "min(up{@host})",
               line=False, mappings=g.words({1: ("up", "green"), 0: ("down", "red")}),
               alerts=["KvmExporterDown"], w=4),
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
    return g.dashboard(
        kvm.HOST, "KVM / Host",
        "One KVM host: its guests beside each other, and the health of its exporter. Needs the "
        "recording rules; the exporter's part does without.",
        kvm.HOSTS,
        [(4, summary()), (9, exits()), (9, ticks()),
         (8, [kvm.exits_by_reason("@host"), kvm.msrs("@host")]),
         (9, extremes()), (9, others()), (8, hardware()),
         (1, [g.row("Exporter")]), (4, exporter()), (7, losses()), (7, page())])
