#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes promtool's test of two exporters of different versions under the rules of today.

    rollout.py RULES_DIR OLD_PAGE NEW_PAGE MODE > test.yml

The pages are real ones of /metrics, each of the exporter's own version: OLD_PAGE that of a former release
(tests/fixtures/pages), NEW_PAGE today's golden one. Both show the same storm: a counter rises by what the page
says, each second. MODE is counts, or none: vCPUs added up, as --metrics.per-vcpu=none does it. For an hour kvm-old
is scraped with the old page and kvm-new with the new one; then kvm-old is upgraded. Every alert that fires
is listed, so whatever else pages is a failure, and so is whatever goes silent.
"""

import re
import sys
from pathlib import Path

import yaml

SAMPLE = re.compile(r'^(\w+)(?:\{(.*)\})? (\S+)$')
VCPU = re.compile(r',vcpu="[^"]*"')
# Both are golden pages of everything at once, also of what is lost and not attached.
STEADY = re.compile(r"kvm_exporter_|process_")
STEP, HOUR = 60, 60
GAUGES = {"kvm_exporter_probe_attached": 1.0}
# A finding holds for a second each second.
FINDING = "kvm_vm_finding_seconds_total"


def samples(page, mode):
    """{series: (value, increase a second)}"""
    types, found = {}, {}
    for line in Path(page).read_text(encoding="utf-8").splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            types[name] = kind
        if line.startswith("#"):
            continue
        name, labels, value = SAMPLE.match(line).groups()
        if mode == "none":
            labels = VCPU.sub("", labels or "")
        family = name if name in types else re.sub(r"_(bucket|sum|count)$", "", name)
        rises = types[family] != "gauge" and not STEADY.match(name)
        number = GAUGES.get(name, float(value))
        rise = number if rises else 0
        if name == FINDING:
            rise = 1 if "timer_storm" in labels and number else 0
        before = found.get((name, labels), (0, 0))
        found[name, labels] = before[0] + number, before[1] + rise
    return found


def at_host(series, host):
    name, labels = series
    return f'{name}{{job="kvm-exit-exporter",instance="{host}:10177",node="{host}"{"," + labels if labels else ""}}}'


def values(value, rise, first, minutes):
    """Of a series that is scraped from minute `first` on."""
    return (f"_x{first} " if first else "") + f"{value:.9f}+{rise * STEP:.9f}x{minutes}"


def input_series(pages):
    """Those of kvm-new, and of kvm-old before and after its upgrade, when its counters begin anew."""
    old, new = pages
    for series, (value, rise) in new.items():
        yield {"series": at_host(series, "kvm-new"), "values": values(value, rise, 0, 2 * HOUR)}
    for series in sorted(old.keys() | new.keys(), key=str):
        text = []
        if series in old:
            text.append(values(*old[series], 0, HOUR - 1))
        else:
            text.append(f"_x{HOUR - 1}")
        if series in new:
            text.append(values(*new[series], 0, HOUR))
        else:
            text.append("stale")
        yield {"series": at_host(series, "kvm-old"), "values": " ".join(text)}
    for host in ("kvm-new", "kvm-old"):
        yield {"series": at_host(("up", ""), host), "values": f"1+0x{2 * HOUR}"}


STORM = ('ALERTS{alertname="KvmTimerStorm",alertstate="firing",finding="timer_storm",job="kvm-exit-exporter",'
         'name="Web shop",project="webshop",severity="critical",uuid="6f1f4a1e-0e9a-4b7c-9f51-3c1f2b7f1f00",vm="web-1"}')


def of_host(alert, severity, host):
    return (f'ALERTS{{alertname="{alert}",alertstate="firing",instance="{host}:10177",job="kvm-exit-exporter",'
            f'node="{host}",severity="{severity}"}}')


OUTDATED = of_host("KvmExporterWithoutFindings", "warning", "kvm-old")


def expected(minute, alerts):
    return {"expr": 'ALERTS{alertstate="firing"}', "eval_time": f"{minute}m",
            "exp_samples": [{"labels": labels, "value": 1} for labels in alerts]}


def main():
    rules, old, new, mode = sys.argv[1:]
    series = list(input_series((samples(old, mode), samples(new, mode))))
    checks = [expected(10, [STORM]), expected(50, [STORM, OUTDATED]), expected(100, [STORM])]
    # The storm of the old host is in the recorded findings once it is upgraded, and not before.
    for minute, hosts in ((50, 1), (100, 2)):
        checks.append({"expr": "count(vm:kvm_vm_finding:ratio_rate10m > 0.5)", "eval_time": f"{minute}m",
                       "exp_samples": [{"labels": "{}", "value": hosts}]})
    files = [str(path.resolve()) for path in sorted(Path(rules).glob("*.yml"))]
    yaml.safe_dump({"rule_files": files, "evaluation_interval": "30s", "tests": [
        {"name": f"two versions, vCPUs: {mode}", "interval": f"{STEP}s", "input_series": series,
         "promql_expr_test": checks}]}, sys.stdout, width=1000)


main()
