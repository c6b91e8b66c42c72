#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns scenarios into promtool unit tests.

    expand.py RULES_DIR SCENARIO.yml > test.yml

promtool wants one line a series, and a guest of 32 vCPUs has hundreds. A scenario says what a guest
does, in the figures people measure (a second, the whole guest), and which alerts must then fire:
*all* of them, so that a scenario is also a near-miss of every alert it does not list.

    - name: what happens
      near_miss: [Alert, "Alert severity", "Alert severity vm"]   comes close, and must not fire
      step: 1                  minutes between samples and evaluations (default 1), one for a file
      guests:
        - vm: name             default instance is kvm-01:10177
          instance: host:port
          vcpus: 32            as many series; null: no kvm_vm_vcpus
          only: 32              the first so many vCPUs do it all (default: every one); or, by kind
                                of rate, {msr: 1}
          unknown: false       true: vcpu="" for all
          phases:              one after the other; counters go on from one to the next
            - minutes: 60
              gone: true       no samples; `reset: true` starts counters at zero again
              <rates>          see RATES; `only` may be given here too
      hosts: [{instance: ..., isa: vmx, up: 1, probes: {kvm_msr: 0}}]   default: one, in order
      series: {'name{...}': values}            anything else, in promtool's notation
      firing: {30: [...], 60: []}              at a minute: "Alert severity vm [instance]"
      values: {30: {expression: value or {labels: value}}}
"""

import re
import sys
from pathlib import Path

import yaml

sys.path.append(str(Path(__file__).resolve().parent.parent / "lib"))
import events  # noqa: E402

JOB = "kvm-exit-exporter"
INSTANCE = "kvm-01:10177"
PROBES = tuple(events.COLLECTORS)
INDEX = {"IA32_TSC_DEADLINE": "0x6e0", "X2APIC_TMICT": "0x838", "X2APIC_EOI": "0x80b"}

# key of a phase -> (metric, fixed labels, label that the key's own keys fill). Those "by vcpu" are
# split evenly over the vCPUs that do it.
RATES = {
    "msr": ("kvm_msr_accesses_total", {"op": "write"}, "msr"),
    "msr_reads": ("kvm_msr_accesses_total", {"op": "read"}, "msr"),
    "arms": ("kvm_timer_arms_total", {}, "timer"),
    "halts": ("kvm_halts_total", {}, "wakeup"),
    "halt_seconds": ("kvm_halt_seconds_total", {}, "wakeup"),
    "exits": ("kvm_exits_total", {}, "reason"),
    "handling": ("kvm_exit_handling_seconds_total", {}, "reason"),
    "userspace": ("kvm_userspace_exits_total", {}, "reason"),
    "userspace_seconds": ("kvm_userspace_seconds_total", {}, None),
    "latency": ("kvm_exit_latency_seconds_bucket", {}, "le"),
    "latency_count": ("kvm_exit_latency_seconds_count", {}, None),
}
BY_VCPU = {"msr", "msr_reads", "arms", "halts", "halt_seconds", "exits"}
CONTROL = {"minutes", "gone", "reset", "only"}


def selector(name, labels):
    return name + "{" + ",".join(f'{k}="{v}"' for k, v in labels.items()) + "}"


def msr_index(name):
    stimer = re.fullmatch(r"HV_X64_MSR_STIMER([0-3])_(CONFIG|COUNT)", name)
    if stimer:
        return hex(0x400000B0 + 2 * int(stimer[1]) + (stimer[2] == "COUNT"))
    return INDEX[name]


def number(value):
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return text or "0"


def phase_rates(guest, phase):
    """(metric, labels) -> increase a second, for one phase."""
    chosen = phase.get("only", guest.get("only", guest["vcpus"]))
    out = {}
    for key, rates in phase.items():
        if key in CONTROL:
            continue
        only = chosen.get(key, guest["vcpus"]) if isinstance(chosen, dict) else chosen
        metric, fixed, label = RATES[key]
        for value, rate in (rates.items() if label else [(None, rates)]):
            labels = dict(fixed) | ({label: str(value)} if label else {})
            if label == "msr":
                labels["index"] = msr_index(value)
            if key not in BY_VCPU:
                out[metric, tuple(labels.items())] = rate
            elif guest.get("unknown"):
                out[metric, tuple(({"vcpu": ""} | labels).items())] = rate
            else:
                for vcpu in range(only):
                    out[metric, tuple(({"vcpu": vcpu} | labels).items())] = rate / only
    return out


def guest_series(guest, step):
    """Series of one guest: `stale` where it is gone, `_` as long as a counter is zero."""
    phases = [(p, phase_rates(guest, p)) for p in guest["phases"]]
    target = {"job": JOB, "instance": guest.get("instance", INSTANCE), "vm": guest["vm"]}
    out = {}
    for metric, labels in dict.fromkeys(k for _, rates in phases for k in rates):
        total, seen, values = 0.0, False, []
        for phase, rates in phases:
            if phase.get("reset"):
                total, seen = 0.0, False
            rate = rates.get((metric, labels), 0)
            for _ in range(0, phase["minutes"], step):
                if phase.get("gone"):
                    values.append("stale")
                    continue
                total += rate * 60 * step
                seen = seen or rate > 0
                # What is still zero is left out of /metrics.
                values.append(number(total) if seen else "_")
        out[selector(metric, target | dict(labels))] = " ".join(values)
    alive = []
    for phase, _ in phases:
        alive += ["stale" if phase.get("gone") else "@"] * len(range(0, phase["minutes"], step))
    if guest["vcpus"] is not None and not guest.get("unknown"):
        count = " ".join(alive).replace("@", str(guest["vcpus"]))
        out[selector("kvm_vm_vcpus", target)] = count
    info = target | {"pid": "4242"}
    out[selector("kvm_vm_info", info)] = " ".join(alive).replace("@", "1")
    return out


def host_series(host, minutes, step):
    target = {"job": JOB, "instance": host.get("instance", INSTANCE)}
    samples = minutes // step
    out = {selector("up", target): f"{host.get('up', 1)}x{samples}"}
    info = target | {"isa": host.get("isa", "vmx"), "preemption_timer": "Y"}
    if host.get("up", 1):
        out[selector("kvm_host_info", info)] = f"1x{samples}"
        for probe in PROBES:
            attached = host.get("probes", {}).get(probe, 1)
            if attached is not None:
                labels = target | {"probe": probe}
                out[selector("kvm_exporter_probe_attached", labels)] = f"{attached}x{samples}"
    return out


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


def promtool_test(scenario):
    step = scenario.get("step", 1)
    guests = scenario.get("guests", [])
    minutes = max(
        [sum(p["minutes"] for p in g["phases"]) for g in guests]
        + [int(t) for key in ("firing", "values") for t in scenario.get(key, {})]
    )
    series = dict(scenario.get("series", {}))
    for host in scenario.get("hosts", [{}]):
        series |= host_series(host, minutes + step, step)
    for guest in guests:
        series |= guest_series(guest, step)
    checks = []
    firing = 'count by (alertname, severity, instance, vm) (ALERTS{alertstate="firing"})'
    for minute, alerts in scenario["firing"].items():
        checks.append(
            {
                "expr": firing,
                "eval_time": f"{minute}m",
                "exp_samples": [sample(firing_labels(a), 1) for a in alerts],
            }
        )
    for minute, values in scenario.get("values", {}).items():
        for expr, expected in values.items():
            if not isinstance(expected, dict):
                expected = {} if expected is None else {"{}": expected}
            checks.append(
                {
                    "expr": expr,
                    "eval_time": f"{minute}m",
                    "exp_samples": [{"labels": k, "value": v} for k, v in expected.items()],
                }
            )
    return {
        "name": scenario["name"],
        "interval": f"{step}m",
        "input_series": [{"series": s, "values": str(v)} for s, v in series.items()],
        "promql_expr_test": checks,
    }


def group_order(rule_files):
    """Recording groups first: promtool's own order changes from run to run."""
    groups = [g for f in rule_files for g in yaml.safe_load(Path(f).read_text())["groups"]]
    return [g["name"] for g in sorted(groups, key=lambda g: "alert" in g["rules"][0])]


def main():
    rules = sorted(str(p.resolve()) for p in Path(sys.argv[1]).glob("*.yml"))
    scenarios = yaml.safe_load(Path(sys.argv[2]).read_text(encoding="utf-8"))
    document = {
        "rule_files": rules,
        "evaluation_interval": f"{scenarios[0].get('step', 1)}m",
        "group_eval_order": group_order(rules),
        "tests": [promtool_test(s) for s in scenarios],
    }
    # Without aliases, which say nothing to a reader of a failing test.
    dumper = yaml.SafeDumper
    dumper.ignore_aliases = lambda *_: True
    yaml.dump(document, sys.stdout, Dumper=dumper, sort_keys=False, width=1000)


if __name__ == "__main__":
    main()
