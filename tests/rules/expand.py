#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns scenarios into promtool unit tests.

    expand.py RULES_DIR SCENARIOS.yml STEP [MODE...] > test.yml

STEP is the seconds between scrapes. MODE is --metrics.per-vcpu of the exporter, counts or none; the
default is both. Each scenario is a test in each of them, and the same alerts must fire.

promtool wants one line a series, and a guest of 32 vCPUs has hundreds. A scenario says what a guest
does, in the figures people measure (a second, the whole guest), what the exporter finds in it, and
which alerts must then fire: *all* of them, so that a scenario is also a near-miss of every alert it
does not list.

    - name: what happens
      near_miss: [Alert, "Alert severity", "Alert severity vm"]   comes close, and must not fire
      step: 300                seconds between scrapes, if not STEP
      guests:
        - vm: name             default instance is kvm-01:10177
          instance: host:port
          target: {rack: ...}  further labels of its scrapes
          info: {uuid: ...}    labels of kvm_vm_info beside pid
          vcpus: 32            its vCPUs; null: no kvm_vm_vcpus
          shown: 4             series by vCPU, if fewer: no rule tells vCPUs apart
          phases:              one after the other; counters go on from one to the next
            - minutes: 60
              gone: true       no samples; `reset: true` starts counters at zero again
              restarts: 2      the exporter starts again so often, in minutes
              every: [7, 7]    minutes in which `finds` holds, and minutes in which it does not
              finds: [...]     findings that hold
              <rates>          see RATES
      hosts: [{instance: ..., isa: vmx, cpus: 64, up: 1, probes: {kvm_msr: 0}, restarts: 2}]
                               default: one, in order
      series: {'name{...}': [[minutes, first value, null or stale, increase a second], ...]}
      firing: {30: [...], 60: []}              at a minute: "Alert severity vm [instance]"
      values: {30: {expression: value or {labels: value}}}

A file of table.yml's form, whose rows have a `guest`, is made into scenarios first. Of a row's many copies all are
there with none and a scrape a minute; otherwise a tenth, on a tenth of the CPUs.
"""

import sys
from pathlib import Path

import yaml

sys.path.append(str(Path(__file__).resolve().parent.parent / "lib"))
import events  # noqa: E402

JOB = "kvm-exit-exporter"
INSTANCE = "kvm-01:10177"
PROBES = tuple(events.COLLECTORS)
MODES = ("counts", "none")
INDEX = {"IA32_TSC_DEADLINE": "0x6e0", "X2APIC_TMICT": "0x838", "IA32_MISC_ENABLE": "0x1a0"}
# The exporter needs so long to find anything.
BLIND = 10

# key of a phase -> (metric, fixed labels, label that the key's own keys fill)
RATES = {
    "msr": ("kvm_msr_accesses_total", {"op": "write"}, "msr"),
    "arms": ("kvm_timer_arms_total", {}, "timer"),
    "halts": ("kvm_halts_total", {}, "wakeup"),
    "halt_seconds": ("kvm_halt_seconds_total", {}, "wakeup"),
    "exits": ("kvm_exits_total", {}, "reason"),
    "handling": ("kvm_exit_handling_seconds_total", {}, "reason"),
    "userspace": ("kvm_userspace_exits_total", {}, "reason"),
    "userspace_seconds": ("kvm_userspace_seconds_total", {}, None),
    "latency": ("kvm_exit_latency_seconds_bucket", {}, "le"),
    "latency_count": ("kvm_exit_latency_seconds_count", {}, None),
    "cpu": ("kvm_vm_cpu_seconds_total", {}, "thread"),
}
# By vCPU with --metrics.per-vcpu=counts, and then spread evenly.
BY_VCPU = {"msr", "arms", "halts", "halt_seconds", "exits"}


def selector(name, labels):
    return name + "{" + ",".join(f'{k}="{v}"' for k, v in labels.items()) + "}"


def compressed(values):
    """Samples in promtool's notation: None is none, "stale" an end, and numbers rise in runs."""
    out, at = [], 0
    while at < len(values):
        run, rise = at + 1, 0
        if isinstance(values[at], (int, float)):
            if run < len(values) and isinstance(values[run], (int, float)):
                rise = values[run] - values[at]
            while (run < len(values) and isinstance(values[run], (int, float))
                   and abs(values[run] - values[run - 1] - rise) < 1e-6):
                run += 1
            out.append(f"{values[at]:.9g}{rise:+.9g}x{run - at - 1}" if run - at > 1
                       else f"{values[at]:.9g}")
        else:
            out.append(values[at] or "_")
        at = run
    return " ".join(out)


def samples_in(minutes, step):
    return int(minutes * 60) // step


def phase_rates(guest, phase, mode):
    """(metric, labels) -> increase a second, for one phase."""
    out = {}
    for key, (metric, fixed, label) in RATES.items():
        rates = phase.get(key, {})
        for value, rate in rates.items() if label else [(None, rates)] if rates else []:
            labels = dict(fixed) | ({label: str(value)} if label else {})
            if label == "msr":
                labels["index"] = INDEX[value]
            if mode == "none" or key not in BY_VCPU:
                out[metric, tuple(labels.items())] = rate
                continue
            shown = guest.get("shown") or guest["vcpus"]
            for vcpu in range(shown):
                labels_of_one = {"vcpu": str(vcpu)} | labels
                out[metric, tuple(labels_of_one.items())] = rate / shown
    return out


class Counter:
    """One counter through the phases of a guest."""

    def __init__(self, from_start):
        self.total, self.seen, self.from_start, self.values = 0.0, from_start, from_start, []

    def start_again(self):
        self.total, self.seen = 0.0, self.from_start

    def add(self, increase):
        self.total += increase
        self.seen = self.seen or increase > 0
        # What is still zero is left out of /metrics.
        self.values.append(self.total if self.seen else None)


def run_phases(guest, step, counter, increase):
    """increase(phase, second of the phase, seconds since the exporter started) -> a sample's."""
    for phase in guest["phases"]:
        if phase.get("reset"):
            counter.start_again()
        restarts = phase.get("restarts", 0) * 60
        since_start = 0 if phase.get("reset") else 1e9
        for n in range(samples_in(phase["minutes"], step)):
            if phase.get("gone"):
                counter.values.append("stale")
                continue
            if restarts and n * step % restarts == 0:
                counter.start_again()
                since_start = 0
            since_start += step
            counter.add(increase(phase, n * step, since_start))


def held(phase, finding, second, since_start, step):
    """Seconds of the step that ends now for which a finding held."""
    if finding not in phase.get("finds", []):
        return 0
    on, off = phase.get("every", (1, 0))
    if second % ((on + off) * 60) >= on * 60:
        return 0
    return min(step, max(0, since_start - BLIND))


def guest_series(guest, step, mode):
    """Series of one guest: `stale` where it is gone, nothing as long as a counter is zero."""
    target = {"job": JOB, "instance": guest.get("instance", INSTANCE), "vm": guest["vm"]}
    target |= guest.get("target", {})
    rates = {id(phase): phase_rates(guest, phase, mode) for phase in guest["phases"]}
    out = {}
    for key in dict.fromkeys(key for of_phase in rates.values() for key in of_phase):
        counter = Counter(False)
        run_phases(guest, step, counter,
                   lambda phase, *_, key=key: rates[id(phase)].get(key, 0) * step)
        out[selector(key[0], target | dict(key[1]))] = compressed(counter.values)
    findings = {f for phase in guest["phases"] for f in phase.get("finds", [])} | {"timer_storm"}
    for finding in sorted(findings):
        counter = Counter(finding == "timer_storm")
        run_phases(guest, step, counter,
                   lambda phase, second, since, f=finding: held(phase, f, second, since, step))
        labels = target | {"finding": finding}
        out[selector("kvm_vm_finding_seconds_total", labels)] = compressed(counter.values)
    alive = [
        "stale" if phase.get("gone") else 1
        for phase in guest["phases"] for _ in range(samples_in(phase["minutes"], step))
    ]
    if guest["vcpus"] is not None:
        count = [a if a == "stale" else guest["vcpus"] for a in alive]
        out[selector("kvm_vm_vcpus", target)] = compressed(count)
    info = target | {"pid": "4242"} | guest.get("info", {})
    out[selector("kvm_vm_info", info)] = compressed(alive)
    return out


def host_series(host, minutes, step):
    target = {"job": JOB, "instance": host.get("instance", INSTANCE)}
    samples = samples_in(minutes, step)
    out = {selector("up", target): f"{host.get('up', 1)}x{samples}"}
    if not host.get("up", 1):
        return out
    info = target | {"isa": host.get("isa", "vmx"), "preemption_timer": "Y"}
    out[selector("kvm_host_info", info)] = f"1x{samples}"
    out[selector("kvm_host_cpus", target)] = f"{host.get('cpus', 64)}x{samples}"
    for probe in PROBES:
        attached = host.get("probes", {}).get(probe, 1)
        if attached is not None:
            labels = target | {"probe": probe}
            out[selector("kvm_exporter_probe_attached", labels)] = f"{attached}x{samples}"
    every = host.get("restarts", 1e9) * 60
    starts = [1000 + n * step // every * every for n in range(samples)]
    out[selector("process_start_time_seconds", target)] = compressed(starts)
    return out


def other_series(pieces, step):
    values = []
    for minutes, first, rise in pieces:
        # None is no sample, "stale" an end.
        values += [first if first in (None, "stale") else first + n * step * rise
                   for n in range(samples_in(minutes, step))]
    return compressed(values)


def firing_labels(text):
    alert, severity, vm, *instance = text.split()
    labels = {"alertname": alert, "severity": severity}
    if vm != "-":
        labels["vm"] = vm
    where = instance[0] if instance else INSTANCE
    if where != "-":
        labels["instance"] = where
    return labels


def sample(labels, value, name=""):
    return {"labels": selector(name, labels), "value": value}


def checks_of(scenario):
    firing = 'count by (alertname, severity, instance, vm) (ALERTS{alertstate="firing"})'
    for minute, alerts in scenario["firing"].items():
        expected = [sample(firing_labels(alert), 1) for alert in alerts]
        yield {"expr": firing, "eval_time": f"{minute}m", "exp_samples": expected}
    for minute, values in scenario.get("values", {}).items():
        for expr, expected in values.items():
            if not isinstance(expected, dict):
                expected = {} if expected is None else {"{}": expected}
            samples = [{"labels": k, "value": v} for k, v in expected.items()]
            yield {"expr": expr, "eval_time": f"{minute}m", "exp_samples": samples}


def promtool_test(scenario, step, mode):
    step = scenario.get("step", step)
    guests = scenario.get("guests", [])
    minutes = max(
        [sum(p["minutes"] for p in g["phases"]) for g in guests]
        + [int(t) for key in ("firing", "values") for t in scenario.get(key, {})]
    )
    series = {}
    for host in scenario.get("hosts", [{}]):
        series |= host_series(host, minutes + 1, step)
    for name, pieces in scenario.get("series", {}).items():
        series[name] = other_series(pieces, step)
    for guest in guests:
        series |= guest_series(guest, step, mode)
    return {
        "name": f"{scenario['name']} (every {step} s, per-vcpu={mode})",
        "interval": f"{step}s",
        "input_series": [{"series": s, "values": v} for s, v in series.items()],
        "promql_expr_test": list(checks_of(scenario)),
    }


def totals(row):
    """What the vCPUs of a row of table.yml do together, a second; times are in seconds."""
    groups = [(row["vcpus"], row["each"])]
    if "others" in row:
        groups.append((row["others"]["vcpus"], row["others"]["each"]))

    def summed(rate, each=1.0):
        def of_one(vcpu):
            return vcpu.get(rate, 0) * (vcpu.get(each, 0) * 1e-6 if isinstance(each, str) else each)
        return sum(vcpus * of_one(vcpu) for vcpus, vcpu in groups)

    return summed, sum(vcpus for vcpus, _ in groups) + row.get("parked", 0)


def of_row(row):
    """A row of table.yml as a scenario."""
    summed, vcpus = totals(row)
    exits, slow = summed("exits"), row.get("slow", 0) * summed("exits")
    reason, halt = row.get("reason", "EPT_VIOLATION"), row.get("reason", "HLT")
    handling = {reason: summed("exits", "exit_us")}
    handling[halt] = handling.get(halt, 0) + summed("halted")
    phase = {
        "minutes": 21,
        "finds": row["finds"],
        "msr": {row.get("timer", "IA32_TSC_DEADLINE"): summed("programs"),
                "IA32_MISC_ENABLE": summed("msr")},
        "arms": {"hv": summed("arms") / 2, "sw": summed("arms") / 2},
        "halts": {"wait": summed("halts")},
        "halt_seconds": {"wait": summed("halted") - summed("polled"), "poll": summed("polled")},
        "exits": {reason: exits},
        "handling": handling,
        "userspace": {"KVM_EXIT_IO": summed("userspace_exits")},
        "userspace_seconds": summed("userspace_exits", "vmm_us"),
        "latency": {"0.000244140625": exits - slow, "0.001953125": exits - slow,
                    "0.00390625": exits, "+Inf": exits},
        "latency_count": exits,
        "cpu": {"vcpu": summed("cpu"), "vmm": row.get("vmm", 0)},
    }
    shown = min(vcpus, 4) if row.get("copies", 1) == 1 else 1
    names = [f"guest-{n}" for n in range(row.get("copies", 1))]
    alerts = [f"{alert} {vm}" for alert in row["alerts"] if not alert.endswith("-") for vm in names]
    alerts += [alert for alert in row["alerts"] if alert.endswith("-")]
    return {
        "name": row["guest"],
        "copies": len(names),
        "guests": [{"vm": vm, "vcpus": vcpus, "shown": shown, "phases": [phase]} for vm in names],
        "hosts": [{"cpus": row.get("cpus", 64)}],
        "firing": {4: [], 20: alerts},
    }


def tenth(scenario):
    """A tenth of the guests on a tenth of the CPUs: the same to each of them, and to rules of hosts, which go by CPUs."""
    guests = scenario["guests"][:-(-scenario["copies"] // 10)]
    share, names = len(guests) / scenario["copies"], {guest["vm"] for guest in guests} | {"-"}
    return scenario | {
        "guests": guests,
        "hosts": [host | {"cpus": host["cpus"] * share} for host in scenario["hosts"]],
        "firing": {minute: [alert for alert in alerts if alert.split()[2] in names]
                   for minute, alerts in scenario["firing"].items()},
    }


def load(path):
    rows = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    return [of_row(row) if "guest" in row else row for row in rows]


def group_order(rule_files):
    """Recording groups first, in their order: promtool's own order changes from run to run."""
    groups = [g for f in rule_files for g in yaml.safe_load(Path(f).read_text())["groups"]]
    return [g["name"] for g in sorted(groups, key=lambda g: "alert" in g["rules"][0])]


def main():
    rules = sorted(str(p.resolve()) for p in Path(sys.argv[1]).glob("*.yml"))
    scenarios, step, modes = load(sys.argv[2]), int(sys.argv[3]), sys.argv[4:] or MODES
    tests = []
    for scenario in scenarios:
        # Without guests the modes are the same. Many guests take long: all of them once, and else a tenth.
        for mode in modes if scenario.get("guests") else modes[-1:]:
            all_of_them = scenario.get("copies", 1) <= 20 or (step >= 60 and mode == "none")
            tests.append(promtool_test(scenario if all_of_them else tenth(scenario), step, mode))
    document = {
        "rule_files": rules,
        "evaluation_interval": f"{max(30, scenarios[0].get('step', step))}s",
        "group_eval_order": group_order(rules),
        "tests": tests,
    }
    # Without aliases, which say nothing to a reader of a failing test.
    dumper = yaml.CSafeDumper
    dumper.ignore_aliases = lambda *_: True
    yaml.dump(document, sys.stdout, Dumper=dumper, sort_keys=False, width=1000)


if __name__ == "__main__":
    main()
