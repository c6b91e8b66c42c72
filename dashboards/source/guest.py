# SPDX-License-Identifier: Apache-2.0
"""One guest: what it leaves for, its timer, its sleep, each vCPU."""

import grafana as g
import kvm
from kvm import CPUS, EXITS, PER_SECOND

VCPU = "{{vm}} {{vcpu}}"


def who():
    labels = {"vm": "guest", "instance": "host", "name": "name", "domain": "libvirt domain",
              "namespace": "namespace", "pod": "pod", "project": "project", "vmm": "VMM", "pid": "pid",
              "uuid": "uuid"}
    return g.table(
        "Guest", "Who it is: kvm_vm_info.", labels,
        [g.column("guests", f"count by ({', '.join(labels)}) (kvm_vm_info{{@vm}})", "none")],
        links={"host": kvm.link("Host", kvm.HOST, kvm.cell("host"))}, hide=["Value"],
        widths={"uuid": 330})


def summary():
    rate = "sum(rate(%s{@vm}[$__rate_interval]))"
    return [
        g.stat("Verdict", "What the exporter finds in it; of several guests the worst.", "none",
               f"max({kvm.verdict('@vm')})", line=False, mappings=g.words(kvm.VERDICTS), w=3,
               alerts=kvm.OF_FINDINGS),
        g.stat("vCPUs", "vCPUs that exist.", "none", "sum(kvm_vm_vcpus{@vm})"),
        g.stat("Up", "Since the VM's process started; of several the oldest.", "dtdurations",
               "time() - min(kvm_vm_start_time_seconds{@vm})", line=False),
        g.stat("Exits", "VM exits.", EXITS, rate % "kvm_exits_total"),
        g.stat("Tick", "Timer programmings a second that three quarters of its running vCPUs reach; of several "
               "guests the fastest.",
               "suffix: Hz", "max(kvm_vm_tick_hertz{@vm})", decimals=0, none="Not running"),
        g.stat("Halted", "Share of the guest's vCPU time.", "percentunit",
               "sum(rate(kvm_halt_seconds_total{@vm}[$__rate_interval])) / sum(kvm_vm_vcpus{@vm})",
               decimals=0),
        g.stat("Wake-ups", "Halts that ended.", PER_SECOND, rate % "kvm_halts_total"),
        g.stat("Cost", "The share of the host's CPUs that exits and polling for wake-ups take.",
               "percentunit", f"sum({kvm.cost('@vm')})", decimals=2, none=g.NO_RULES),
    ]


def findings():
    share = g.graph(
        "What the exporter finds",
        "The share of the last ten minutes for which it found it. Above the line alerts fire.",
        "percentunit", {"{{finding}}, {{vm}}": "vm:kvm_vm_finding:ratio_rate10m{@vm}"},
        thresholds={0.5: kvm.STORMING}, min=0, max=1, alerts=kvm.OF_FINDINGS, none="Nothing")
    cost = g.graph(
        "What it costs the host",
        "The share of the host's CPUs that exits and polling for wake-ups take. That no CPU rests is not in it.",
        "percentunit", {"{{vm}}": kvm.cost("@vm")}, none=g.NO_RULES)
    woken = g.graph(
        "Wake-ups of each CPU of the host",
        "On average. Above 200 a second no CPU sleeps deeply.", PER_SECOND, {"{{vm}}": kvm.woken("@vm")},
        none=g.NO_RULES)
    return [share, cost, woken]


def exits():
    return [
        kvm.exits_by_reason(alerts=["KvmExitRateHigh"]),
        g.graph("Handling time, by reason",
                "Host time from an exit to the next entry. Left out are halts and PAUSE, in which the "
                "guest waits. Exits to the VMM contain its work.",
                CPUS,
                {"{{reason}}": "sum by (reason) (rate(kvm_exit_handling_seconds_total{@vm,reason!~"
                               '"HLT|hlt|idle-halt|PAUSE_INSTRUCTION|pause|vmgexit'
                               '|vmgexit_ap_hlt_loop"}[$__rate_interval]))'},
                table=True, stack=True),
    ]


def latency():
    quantile = ("histogram_quantile(%s, sum by (le) "
                "(rate(kvm_exit_latency_seconds_bucket{@vm}[$__rate_interval])))"
                " or histogram_quantile(%s, sum(rate(kvm_exit_latency_seconds{@vm}[$__rate_interval])))")
    return [
        g.graph("How long exits take",
                "Time from an exit to the next entry, halts and PAUSE left out: half of them, 90 and "
                "99 of 100 take at most this.",
                "s", {f"p{q * 100:.0f}": quantile % (q, q) for q in (0.99, 0.9, 0.5)}, log=True,
                thresholds={0.001: "orange"}, alerts=["KvmExitHandlingSlow"]),
        g.graph("Exits against their day",
                "Exits, and five times their average of the last day. Dashed: below it an anomaly is "
                "of no interest.",
                EXITS, {"exits": "sum(vm:kvm_exits:rate5m{@vm})",
                        "5 times the day's average": "sum(5 * vm:kvm_exits:avg1d{@vm})"},
                thresholds={10000: "orange"}, alerts=["KvmExitRateAnomaly"], none=g.NO_RULES),
        g.graph("Returns to the VMM, by reason",
                "KVM_RUN's returns to user space; restart is a signal.", PER_SECOND,
                {"{{reason}}": "sum by (reason) (rate(kvm_userspace_exits_total{@vm}"
                               "[$__rate_interval]))"},
                alerts=["KvmUserspaceExitStorm"]),
    ]


def devices():
    return [
        g.graph("Ports and pages", "Accesses to I/O ports, and to pages that are not memory (MMIO), whoever answers them.",
                PER_SECOND,
                {"{{space}} {{address}}, {{op}}": g.top(10, "sum by (space, address, op) "
                                                            "(rate(kvm_io_exits_total{@vm}[$__rate_interval]))")},
                table=True, alerts=["KvmUserspaceExitStorm"], none="None"),
        g.graph("Interrupt lines", "Changes of their level, two a pulse. 0 and 2 are the PIT and the HPET, 8 the "
                "real-time clock.", PER_SECOND,
                {"GSI {{gsi}}, {{vm}}": g.top(10, "sum by (vm, gsi) (rate(kvm_interrupt_line_changes_total{@vm}"
                                                  "[$__rate_interval]))")},
                alerts=["KvmInterruptLineStorm"], none="None"),
        g.graph("CPU, by thread", "What the threads that work for it do: vCPUs, the VMM's others, and the kernel's vhost "
                "and pit.", CPUS,
                {"{{thread}}": "sum by (thread) (rate(kvm_vm_cpu_seconds_total{@vm}[$__rate_interval]))"}, stack=True),
        g.graph("Waiting for a CPU", "How many CPUs its vCPUs wait for while they could run: the guest's steal.", CPUS,
                {"{{vm}}": "sum by (vm) (rate(kvm_vcpu_run_delay_seconds_total{@vm}[$__rate_interval]))"},
                alerts=["KvmVcpuStarved"]),
    ]


def timer():
    tick = g.graph(
        "Tick, by guest",
        "Timer programmings a second that three quarters of a guest's running vCPUs reach; its wake-ups, where it "
        "programs no timer. Dashed: the tick rates that kernels are built with.",
        "hertz", {"{{vm}}": g.top(5, "kvm_vm_tick_hertz{@vm}")} | kvm.HZ, log=True, min=1,
        reference=kvm.HZ_LINES, none="Not running")
    return [tick, kvm.intervals(), kvm.timer_backend()]


def msrs():
    backend = g.graph(
        "vCPUs on the VMX preemption timer", "By the last arming of each vCPU's timer.", "none",
        {"hv": "sum(kvm_hv_timer_in_use{@vm})",
         "sw, or none yet": "sum(kvm_vm_vcpus{@vm}) - sum(kvm_hv_timer_in_use{@vm})"},
        stack=True, none="No timer was armed")
    faults = g.graph(
        "MSR accesses answered with #GP", "A guest that probes for MSRs has a few at boot.",
        PER_SECOND, {"{{op}}": "sum by (op) (rate(kvm_msr_faults_total{@vm}[$__rate_interval]))"},
        none="None")
    return [kvm.msrs("@vm", "op, msr, index", w=12, alerts=["KvmMsrStorm"]), backend, faults]


def halts():
    return [
        g.graph("Halted, by guest", "The share of its vCPUs' time that each guest is halted.", "percentunit",
                {"{{vm}}": "vm:kvm_halted:ratio_rate5m{@vm}"}, min=0, max=1,
                none=g.NO_RULES),
        g.graph("Wake-ups, by where they found the host",
                "poll: still polling for it. wait: asleep.", PER_SECOND,
                {"{{wakeup}}": "sum by (wakeup) (rate(kvm_halts_total{@vm}[$__rate_interval]))"},
                stack=True),
        g.graph("Mean length of a halt", "Short halts are costly: the host's CPU cannot rest.", "s",
                {"{{wakeup}}": "sum by (wakeup) (rate(kvm_halt_seconds_total{@vm}"
                               "[$__rate_interval])) / sum by (wakeup) (rate(kvm_halts_total{@vm}"
                               "[$__rate_interval]))"}, log=True),
        g.graph("Polling, share of vCPU time",
                "Host time spent polling for wake-ups, for each vCPU of the guest.", "percentunit",
                {"{{vm}}": "vm:kvm_halt_poll_seconds:rate5m{@vm} / kvm_vm_vcpus{@vm}"}, none=g.NO_RULES),
    ]


def vcpus():
    """vcpu="" are events whose vCPU is not known."""
    def rate(metric):
        return ("sum by (vm, instance, vcpu) (rate(%s{@vm,vcpu!=\"\"}[$__rate_interval]))" % metric)

    def each(metric):
        return f"{rate(metric)} and topk(64, {rate('kvm_exits_total')})"

    figures = g.table(
        "Each vCPU", "Of several guests the busiest 64 vCPUs.",
        {"vm": "guest", "instance": "host", "vcpu": "vCPU"},
        [
            g.column("exits", each("kvm_exits_total"), PER_SECOND),
            g.column("MSRs", each("kvm_msr_accesses_total"), PER_SECOND),
            g.column("wake-ups", each("kvm_halts_total"), PER_SECOND),
            g.column("halted", each("kvm_halt_seconds_total"), "percentunit", decimals=0),
        ],
        sort=["exits"], hide=["instance"], none=kvm.NO_VCPUS)
    ticks = g.graph(
        "Timer programmings, by vCPU", "Writes of timer MSRs; the 32 highest of the dashboard's time.", PER_SECOND,
        {VCPU: g.top(32, 'sum without (op, msr, index) (rate(kvm_msr_accesses_total{@vm,vcpu!="",op="write",'
                         'msr=~"%s"}[$__rate_interval]))' % kvm.TIMER_MSRS)}, table=True, none=kvm.NO_VCPUS)
    wakeups = g.graph(
        "Wake-ups, by vCPU", "Halts that ended; the 32 highest of the dashboard's time.", PER_SECOND,
        {VCPU: g.top(32, 'sum without (wakeup) (rate(kvm_halts_total{@vm,vcpu!=""}[$__rate_interval]))')},
        table=True, none=kvm.NO_VCPUS)
    return [figures, ticks, wakeups]


def dashboard():
    return g.dashboard(
        kvm.GUEST, "KVM / Guest",
        "One guest, or several together: why it leaves to the host and what that costs, its timer, "
        "its halts, its vCPUs.",
        kvm.GUESTS,
        [(4, [who()]), (4, summary()), (8, findings()),
         (1, [g.row("Exits")]), (9, exits()), (8, latency()),
         (1, [g.row("Devices and CPUs")]), (8, devices()),
         (1, [g.row("Timer and MSRs")]), (9, timer()), (8, msrs()),
         (1, [g.row("Halts")]), (7, halts()),
         (1, [g.row("vCPUs")]), (9, vcpus())],
        alerts="@vm", starts="@vm")
