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
NO_VCPUS = "No vCPU labels: --metrics.per-vcpu=none"


def idle_tick(chosen):
    """What KvmGuestIdleTick fires for."""
    return (f"(vm:kvm_timer_programs:min_rate5m{{{chosen}}} > 90 "
            f"and vm:kvm_halted:ratio_rate5m{{{chosen}}} > 0.7)")


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
# Tick rates that kernels are built with, to compare with: a line each.
HZ = {f"{hz} Hz": f"vector({hz})" for hz in (1000, 300, 250, 100)}
HZ_LINES = r"^\d+ Hz$"


def intervals():
    return g.histogram(
        "Time between timer programmings",
        "How far apart a vCPU's successive timer programmings are, over the dashboard's time. A "
        "tick is a spike at its period: 1, 3.3, 4 or 10 ms.",
        "percentunit",
        """
        sum by (le) (increase(kvm_timer_interval_seconds_bucket{@vm}[$__range]))
          / scalar(sum(increase(kvm_timer_interval_seconds_count{@vm}[$__range])))
        """,
        INTERVALS, decimals=1,
    )


def exits_by_reason(selector="@vm"):
    return g.graph(
        "Exits by reason",
        "VM exits a second, by the hardware's reason under the kernel's name for it.",
        EXITS,
        {"{{reason}}": "sum by (reason) (rate(kvm_exits_total{%s}[$__rate_interval]))" % selector},
        table=True, stack=True,
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
    """node_exporter knows nothing of VMs, and has another port: hosts are matched by the target
    label `node`, which deploy/prometheus gives to both. Without it the panel says so."""
    here = "and on (node) kvm_vm_vcpus{%s,node!=\"\"}" % selector
    frequency = "node_cpu_scaling_frequency_hertz " + here
    return g.graph(
        "Host CPU frequency",
        "From node_exporter (node_cpu_scaling_frequency_hertz), for the hosts of the chosen "
        "guests. Where a storm lets no CPU rest, even the slowest runs at top frequency. Dashed: "
        "the top.",
        "hertz",
        {
            "{{node}}: top": f"max by (node) (node_cpu_scaling_frequency_max_hertz {here})",
            "{{node}}: mean": f"avg by (node) ({frequency})",
            "{{node}}: slowest CPU": f"min by (node) ({frequency})",
        },
        table=True, reference=": top$",
        none="Needs node_exporter, and the label node on both jobs: see deploy/prometheus",
    )
