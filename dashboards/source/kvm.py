# SPDX-License-Identifier: Apache-2.0
"""What the four dashboards share: variables, links, names, colours."""

import grafana as g

FLEET, HOST, GUEST, STORM = "kvm-fleet", "kvm-host", "kvm-guest", "kvm-timer-storm"

SOURCE = {
    "type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus",
    "current": {"text": "default", "value": "default"}, "hide": 0, "includeAll": False, "multi": False, "refresh": 1,
}
# Where the runbooks are: as in the alerts' runbook_url; deploy/prometheus/README.md has the command that sets both.
RUNBOOKS = {
    "type": "constant", "name": "runbooks", "label": "Runbooks", "hide": 2, "skipUrlSync": True,
    "query": "https://runbooks.example.com/kvm-exit-exporter/",
}
# Hosts from `up`, so that one that does not answer can be chosen.
HOSTS = [
    SOURCE,
    RUNBOOKS,
    g.variable("job", "Job", "kvm_exporter_build_info"),
    g.variable("instance", "Instance", 'up{job=~"$job"}'),
]
GUESTS = HOSTS + [g.variable("vm", "VM", "kvm_vm_vcpus{@host}")]

PER_SECOND = "count:/s"
EXITS = "count:exits/s"
CPUS = "suffix: CPUs"

# Colours that mean something: the rest comes from the palette.
STORMING, TICKING, GOOD = "red", "orange", "green"

GUEST_NAME = "{{vm}} on {{instance}}"
TIMER_MSRS = "IA32_TSC_DEADLINE|X2APIC_TMICT|HV_X64_MSR_STIMER[0-3]_(CONFIG|COUNT)"
NO_VCPUS = "No vCPU labels: --metrics.per-vcpu=none"


# What the exporter finds in a guest, and what it is worth: the worst first.
FINDINGS = {
    8: ("timer_storm", "timer storm", STORMING), 7: ("exit_storm", "exit storm", TICKING),
    6: ("msr_storm", "MSR storm", TICKING), 5: ("vmm_storm", "VMM storm", TICKING),
    4: ("cpu_starved", "starved", TICKING), 3: ("halt_poll_waste", "polling", TICKING),
    2: ("interrupt_line_storm", "line storm", "yellow"), 1: ("idle_tick", "idle tick", "yellow"),
}
VERDICTS = {0: ("none", GOOD)} | {worth: (word, colour) for worth, (_, word, colour) in FINDINGS.items()}
OF_FINDINGS = ["KvmTimerStorm", "KvmGuestIdleTick", "KvmMsrStorm", "KvmExitRateHigh",
               "KvmUserspaceExitStorm", "KvmVcpuStarved", "KvmHaltPollWaste", "KvmInterruptLineStorm"]


def found(finding, chosen="@host"):
    """Guests in which the exporter has found it: what alerts fire for."""
    return f'vm:kvm_vm_finding:ratio_rate10m{{{chosen},finding="{finding}"}} > 0.5'


def verdict(chosen):
    """What is worst about each guest, as a number of VERDICTS."""
    worst = " or ".join(
        f"max by (vm, instance) (({found(finding, chosen)}) * 0 + {worth})"
        for worth, (finding, *_) in FINDINGS.items())
    return f"({worst} or max by (vm, instance) (kvm_vm_vcpus{{{chosen}}} * 0))"


def cost(chosen):
    """The share of the host's CPUs that a guest's exits, and polling for its wake-ups, take."""
    return f"""
        (
          (vm:kvm_exit_handling_seconds:rate5m{{{chosen}}} or kvm_vm_vcpus{{{chosen}}} * 0)
          + (vm:kvm_halt_poll_seconds:rate5m{{{chosen}}} or kvm_vm_vcpus{{{chosen}}} * 0)
        ) / on (job, instance) group_left () max by (job, instance) (kvm_host_cpus{{{chosen_host(chosen)}}})
    """


def woken(chosen):
    """How often a guest wakes each CPU of its host, on average."""
    return (f"vm:kvm_halts:rate5m{{{chosen}}} / on (job, instance) group_left () "
            f"max by (job, instance) (kvm_host_cpus{{{chosen_host(chosen)}}})")


def chosen_host(chosen):
    return chosen.replace("@vm", "@host")


def worst(count, chosen):
    """The guests to look at first: those that something is found in, then those that cost most."""
    seen = f"max by (job, instance, vm) (vm:kvm_vm_finding:ratio_rate10m{{{chosen}}} > 0.5)"
    return f"topk({count}, {cost(chosen)} + on (job, instance, vm) group_left () {seen} or {cost(chosen)})"


def guests(title, text, chosen, count, *more, **also):
    """A table of guests with the exporter's verdict, the worst first."""
    def of_these(query):
        return f"max by (vm, instance) ({query} and {worst(count, chosen)})"

    return g.table(
        title, text, {"vm": "guest", "instance": "host"},
        [
            g.column("verdict", f"{verdict(chosen)} and on (vm, instance) {worst(count, chosen)}", "none",
                     mappings=g.words(VERDICTS), custom__align="center",
                     custom__cellOptions={"type": "color-background"}),
            g.column("cost", of_these(cost(chosen)), "percentunit", decimals=2),
            g.column("wakes each CPU", of_these(woken(chosen)), PER_SECOND, decimals=0),
            g.column("exits", of_these(f"vm:kvm_exits:rate5m{{{chosen}}}"), PER_SECOND, decimals=0),
            g.column("tick", of_these(f"kvm_vm_tick_hertz{{{chosen}}}"), "suffix: Hz", decimals=0),
            g.column("halted", of_these(f"vm:kvm_halted:ratio_rate5m{{{chosen}}}"), "percentunit", decimals=0),
            *(g.column(name, of_these(query), unit, decimals=0) for name, query, unit in more),
        ],
        first="verdict", sort=["verdict", "cost"], none="No guests",
        alerts=[*OF_FINDINGS, *also.pop("alerts", [])],
        links={"guest": link("Guest", GUEST, cell("host"), cell("guest")),
               "host": link("Host", HOST, cell("host"))},
        widths={"verdict": 110} | also.pop("widths", {}), **also)


COST = ("Cost: the share of the host's CPUs that its exits and polling for its wake-ups take. Wakes each CPU: "
        "how often, on average over the host's CPUs; above 200 a second none sleeps deeply. Tick: timer "
        "programmings a second that three quarters of its running vCPUs reach.")


def link(title, uid, instance, vm=None):
    """A data link to a dashboard of one host or guest."""
    url = f"/d/{uid}?${{datasource:queryparam}}&${{job:queryparam}}&${{__url_time_range}}"
    url += f"&var-instance={instance}" + (f"&var-vm={vm}" if vm else "")
    return {"title": title, "url": url, "targetBlank": False}


def cell(heading):
    return f"${{__data.fields[\"{heading}\"]}}"


def label(name):
    return f"${{__field.labels.{name}}}"


TO_HOST = link("Host", HOST, label("instance"))
TO_GUEST = link("Guest", GUEST, label("instance"), label("vm"))

# Upper bounds of kvm_timer_interval_seconds; a test compares them with the exporter's page.
INTERVALS = {
    "0.0001": "below 0.1 ms", "0.00025": "to 0.25 ms", "0.0005": "to 0.5 ms", "0.0009": "to 0.9 ms",
    "0.0011": "1 ms: 1000 Hz", "0.002": "to 2 ms", "0.003": "to 3 ms", "0.0036": "3.3 ms: 300 Hz",
    "0.0044": "4 ms: 250 Hz", "0.006": "to 6 ms", "0.009": "to 9 ms", "0.011": "10 ms: 100 Hz",
    "0.02": "to 20 ms", "0.1": "to 0.1 s", "1.0": "to 1 s", "+Inf": "longer",
}
# The same of the native histogram: 4 buckets from a power of 2 to the next, and for each of ours the upper
# bound of the one that has its counts, as a power of 2 in quarters (exporter/metrics/msrs.cc).
NATIVE_INTERVALS = dict(zip(INTERVALS, (-53, -47, -43, -41, -39, -37, -34, -32, -31, -30, -28, -26, -24, -17, -4)))
# Tick rates that kernels are built with, to compare with: a line each.
HZ = {f"{hz} Hz": f"vector({hz})" for hz in (1000, 300, 250, 100)}
HZ_LINES = r"^\d+ Hz$"


def native_intervals():
    """Shares up to each bound, as the classic histogram has them."""
    shares = [f"label_replace(histogram_fraction(0, {2 ** (quarters / 4):.12g}, "
              f'sum(increase(kvm_timer_interval_seconds{{@vm}}[$__range]))), "le", "{le}", "", "")'
              for le, quarters in NATIVE_INTERVALS.items()]
    whole = "sum(increase(kvm_timer_interval_seconds{@vm}[$__range]))"
    shares.append(f'label_replace(histogram_fraction(0, +Inf, {whole}), "le", "+Inf", "", "")')
    return "\n or ".join(shares)


def intervals():
    return g.histogram(
        "Time between timer programmings",
        "How far apart a vCPU's successive timer programmings are, over the dashboard's time. A "
        "tick is a spike at its period: 1, 3.3, 4 or 10 ms.",
        "percentunit",
        f"""
        sum by (le) (increase(kvm_timer_interval_seconds_bucket{{@vm}}[$__range]))
          / scalar(sum(increase(kvm_timer_interval_seconds_count{{@vm}}[$__range])))
        or {native_intervals()}
        """,
        INTERVALS, decimals=1,
    )


def exits_by_reason(selector="@vm", **more):
    return g.graph(
        "Exits by reason",
        "VM exits a second, by the hardware's reason under the kernel's name for it.",
        EXITS,
        {"{{reason}}": "sum by (reason) (rate(kvm_exits_total{%s}[$__rate_interval]))" % selector},
        table=True, stack=True, **more,
    )


def msrs(selector, labels="op, msr", **more):
    legend = " ".join("{{%s}}" % label for label in labels.split(", "))
    return g.graph(
        "MSR accesses",
        "Accesses of model-specific registers that KVM handled.",
        PER_SECOND,
        {legend: "sum by (%s) (rate(kvm_msr_accesses_total{%s}[$__rate_interval]))"
                 % (labels, selector)},
        table=True, stack=True, **more,
    )


def timer_backend():
    return g.graph(
        "Timer armings, by what keeps the timer",
        "hv: the VMX preemption timer, which costs one exit when it expires. sw: a timer of the "
        "host, which interrupts it. A halt moves an armed timer from hv to sw. AMD has sw only.",
        PER_SECOND,
        {"{{timer}}": "sum by (timer) (rate(kvm_timer_arms_total{@vm}[$__rate_interval]))"},
        stack=True,
    )


def cpu_frequency(selector):
    return g.graph(
        "Host CPU frequency",
        "The fastest CPU of the hosts, and all on average. Where a storm lets no CPU rest, all run at top "
        "frequency.",
        "hertz", {"{{instance}}: {{cpus}}": f"kvm_host_cpu_frequency_hertz{{{selector}}}"}, table=True,
        none="The hosts have no cpufreq driver")
