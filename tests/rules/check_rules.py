#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the rules against the metric contract and our conventions, and that each alert is tested.

    check_rules.py RULES_DIR SCENARIOS.yml...
"""

import re
import sys
from pathlib import Path

import expand
import promql_names
import yaml

sys.path.append(str(Path(__file__).resolve().parent.parent / "lib"))
import events  # noqa: E402

HERE = Path(__file__).parent
BASE = "https://runbooks.example.com/kvm-exit-exporter/"
DASHBOARDS = re.compile(r"https://grafana\.example\.com/d/kvm-(guest|host|timer-storm)\?var-job=")
TARGET_LABELS = {"job", "instance", "node"}
HISTOGRAM = re.compile(r"_(bucket|sum|count)$")
RECORD = re.compile(r"(vm|instance):(kvm_\w+):(\w+)")
IDENTITY = {"name", "uuid", "namespace", "pod", "project"}
# What a guest is wherever it runs, and what one series at most is wanted of: all else is `without`.
BY = {
    ("job", "vm", "name", "uuid", "namespace", "project", "finding"),
    ("job", "instance", "vm", "name", "namespace", "project", "finding"),
    ("job", "instance", "vm"),
    ("job", "instance"),
}

# Alerts about a state, which does not flap as a rate at its threshold does.
STEADY = {"KvmExporterDown", "KvmExporterAbsent", "KvmExporterProbeDetached", "KvmExporterWithoutFindings"}
# What has a window of its own, and so needs no `for`.
WINDOWED = re.compile(r"vm:kvm_vm_finding:ratio_rate10m|changes\(")

problems = []


def problem(where, what):
    problems.append(f"{where}: {what}")


def load_contract():
    metrics, values = {}, {"probe": set(events.COLLECTORS)}
    for line in (HERE / "contract.txt").read_text(encoding="utf-8").splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "=":
            values.setdefault(words[1], set()).update(words[2:])
            continue
        name, kind, *labels = words
        plain = {label.rstrip("?") for label in labels}
        metrics[name] = plain
        if kind == "histogram":
            for suffix in ("_bucket", "_sum", "_count"):
                metrics[name + suffix] = plain | ({"le"} if suffix == "_bucket" else set())
    return metrics, values


def possible(value, operator):
    """The values that a matcher names, or None where that cannot be told."""
    if operator in ("=", "!="):
        return {value}
    out = {""}
    # Alternatives and character classes of digits are all that our rules use.
    for part in re.findall(r"\[\d-\d\]|\([^()]*\)|[^\[\]()]+", value):
        if part.startswith("["):
            choices = [str(n) for n in range(int(part[1]), int(part[3]) + 1)]
        elif part.startswith("("):
            choices = part[1:-1].split("|")
        else:
            choices = [part]
        out = {a + b for a in out for b in choices}
    return out


def split_alternatives(value):
    depth, parts = 0, [""]
    for char in value:
        depth += (char == "(") - (char == ")")
        if char == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def labels_of_record(name):
    return {"vm"} | ({"finding"} | IDENTITY if "finding" in name else set())


def check_selector(where, selector, metrics, values, records):
    name = selector.metric
    if name in records:
        labels = labels_of_record(name)
    elif name in metrics:
        labels = metrics[name]
    else:
        problem(where, f"{name} is neither in contract.txt nor recorded")
        return
    for label, operator, value in selector.matchers:
        if label in TARGET_LABELS:
            continue
        if label not in labels:
            problem(where, f"{name} has no label {label}")
        elif value:
            parts = split_alternatives(value) if "~" in operator else [value]
            for choice in set().union(*(possible(p, operator) for p in parts)):
                if label in values and choice not in values[label]:
                    problem(where, f'contract.txt knows no {label}="{choice}"')


def check_expression(where, expression, contract, records):
    metrics, values = contract
    names = promql_names.parse(expression)
    known = TARGET_LABELS.union(*metrics.values())
    for selector in names.selectors:
        check_selector(where, selector, metrics, values, records)
    for clause, labels in names.clauses:
        if clause == "by" and tuple(labels) not in BY:
            problem(where, "aggregate with `without`, so that the target's labels stay")
        for label in labels:
            if label not in known:
                problem(where, f"no metric has a label {label}")
    return names


def check_record(rule, contract, records):
    where = rule["record"]
    parts = RECORD.fullmatch(where)
    if not parts:
        problem(where, "is not level:metric:operations")
    elif parts[2].endswith("_total"):
        problem(where, "a rate is no _total")
    check_expression(where, rule["expr"], contract, records)


def check_alert(rule, contract, records):
    where, annotations = rule["alert"], rule.get("annotations", {})
    severity = rule.get("labels", {}).get("severity")
    if not re.fullmatch(r"Kvm([A-Z][a-z]+)+", where):
        problem(where, "is not CamelCase after Kvm")
    if severity not in ("critical", "warning", "info"):
        problem(where, f"severity {severity}")
    if any("{{" in str(v) for v in rule["labels"].values()):
        problem(where, "a label that changes makes another alert of it")
    if "for" not in rule and not WINDOWED.search(rule["expr"]):
        problem(where, "has no `for`")
    if "keep_firing_for" not in rule and where not in STEADY:
        problem(where, "has no `keep_firing_for`")
    needed = {"summary", "description", "runbook_url"}
    if not needed <= set(annotations) <= needed | {"guest", "cost", "dashboard_url"}:
        problem(where, f"annotations are {', '.join(annotations)}")
        return
    if "dashboard_url" in annotations and not DASHBOARDS.match(annotations["dashboard_url"]):
        problem(where, "dashboard_url is no dashboard of ours")
    if "{{" in annotations["summary"]:
        problem(where, "the summary is a fixed sentence")
    if "First, " not in annotations["description"]:
        problem(where, "the description does not say what to do first")
    if annotations["runbook_url"] != f"{BASE}{where}.md":
        problem(where, "runbook_url is not made of the alert's name")
    check_expression(where, rule["expr"], contract, records)
    check_texts(where, annotations, contract, records)


def check_texts(where, annotations, contract, records):
    """What annotations ask Prometheus for is there."""
    texts = " ".join(annotations[k] for k in ("description", "guest", "cost") if k in annotations)
    named = r"(?<![/:\w])(?:(?:vcpu|vm|instance):kvm_\w+:\w+|kvm_\w+)"
    for name in re.findall(named, texts):
        if name not in records and name not in contract[0] and name != "kvm_exit_exporter":
            problem(where, f"its texts speak of {name}, which is nowhere")


def check_coverage(alerts, scenarios):
    """Each alert fires somewhere, and somewhere comes close and stays silent."""
    fired, near = set(), set()
    for scenario in scenarios:
        firing = {" ".join(a.split()[:3]) for at in scenario["firing"].values() for a in at}
        fired |= {tuple(a.split()[:2]) for a in firing}
        for close in scenario.get("near_miss", []):
            words = close.split()
            if any(f.split()[: len(words)] == words for f in firing):
                problem(scenario["name"], f"{close} is said to be silent and to fire")
            near |= {a for a in alerts if list(a)[: len(words)] == words[:2]}
            if words[0] not in {a for a, _ in alerts}:
                problem(scenario["name"], f"no alert {words[0]}")
    spoken = set()
    annotations = (HERE / "annotations.test.yml").read_text(encoding="utf-8")
    for test in yaml.safe_load(annotations)["tests"]:
        for case in test["alert_rule_test"]:
            spoken |= {(case["alertname"], a["exp_labels"]["severity"]) for a in case["exp_alerts"]}
    # Of two severities with one text, only the higher is spelled out.
    spoken_names = {name for name, _ in spoken}
    for alert in sorted(alerts):
        if alert not in spoken and (alert[1] != "warning" or alert[0] not in spoken_names):
            problem(" ".join(alert), "annotations.test.yml does not spell out its text")
        if alert not in fired:
            problem(" ".join(alert), "no scenario fires it")
        if alert not in near:
            problem(" ".join(alert), "no scenario is a near miss")


def main():
    rules = [
        rule
        for path in sorted(Path(sys.argv[1]).glob("*.yml"))
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    ]
    scenarios = [scenario for path in sys.argv[2:] for scenario in expand.load(path)]
    contract = load_contract()
    records = {r["record"] for r in rules if "record" in r}
    for rule in rules:
        (check_record if "record" in rule else check_alert)(rule, contract, records)
    alerts = {(r["alert"], r["labels"]["severity"]) for r in rules if "alert" in r}
    check_coverage(alerts, scenarios)
    for text in problems:
        print(text)
    print(f"{len(records)} recording rules, {len(alerts)} alerts, {len(scenarios)} scenarios")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
