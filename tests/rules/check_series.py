#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a guest costs a fleet in series, and who reads them: is the table in README right?

    check_series.py README [--write]

The table stands between two comments. It is made of the golden page, whose guest does a bit of everything, with
vCPUs added up as --metrics.per-vcpu=none does it and each histogram as one series, of the rules and of the
dashboards. A series more is a series more for each guest of a fleet: MOST holds it.
"""

import json
import re
import sys
from pathlib import Path

import promql_names
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/dashboards"))
import check  # noqa: E402

MOST = 43
BEGIN, END = "<!-- series of a guest -->\n", "<!-- end -->"
GUEST = 'vm="web-1"'
SAMPLE = re.compile(r"^(\w+)\{(.*)\} ")


def series_of_guest():
    """{family: series of one guest}"""
    types, found = {}, {}
    for line in (ROOT / "tests/golden/metrics.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            types[name] = kind
        match = SAMPLE.match(line)
        if not match or GUEST not in match[2]:
            continue
        family = match[1] if match[1] in types else re.sub(r"_(bucket|sum|count)$", "", match[1])
        labels = "" if types[family] == "histogram" else re.sub(r',vcpu="[^"]*"', "", match[2])
        found.setdefault(family, set()).add(labels)
    found.pop("kvm_events_total")  # opt-in
    return {family: len(labels) for family, labels in found.items()}


def read_by(expression):
    return {re.sub(r"_seconds_(bucket|count)$", "_seconds", s.metric)
            for s in promql_names.parse(check.substituted(expression)).selectors}


def readers():
    """Families that alerts' expressions read, by way of recording rules; their texts; dashboards."""
    rules = [rule for path in sorted((ROOT / "deploy/prometheus/rules").glob("*.yml"))
             for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]
    records = {r["record"]: read_by(r["expr"]) for r in rules if "record" in r}

    def resolved(names):
        return set().union(*(resolved(records[n]) if n in records else {n} for n in names))

    alerts, texts, boards = {}, {}, {}
    for rule in rules:
        if "alert" not in rule:
            continue
        for family in resolved(read_by(rule["expr"])):
            alerts.setdefault(family, set()).add(rule["alert"])
        for family in re.findall(r"kvm_\w+", " ".join(rule["annotations"].values())):
            texts.setdefault(re.sub(r"_seconds_(bucket|count)$", "_seconds", family), set()).add(rule["alert"])
    for path in sorted((ROOT / "dashboards").glob("*.json")):
        board = json.loads(path.read_text(encoding="utf-8"))
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                for family in resolved(read_by(target["expr"])):
                    boards.setdefault(family, set()).add(board["title"].removeprefix("KVM / "))
    return alerts, texts, boards


def some(names, kind):
    if len(names) > 2:
        return f"{len(names)} {kind}"
    return ", ".join(sorted(names))


def table():
    alerts, texts, boards = readers()
    counts = series_of_guest()
    lines = ["| family | series | alerts that read it | dashboards |", "|---|---|---|---|"]
    unread = []
    for family, count in counts.items():
        by = some(alerts.get(family, ()), "alerts")
        if not by and family in texts:
            by = f"in the text of {some(texts[family], 'alerts')}"
        shown = some(boards.get(family, ()), "dashboards")
        lines.append(f"| `{family}` | {count} | {by} | {shown} |")
        if not by and not shown:
            unread.append(family)
    total = sum(counts.values())
    fire = sum(n for family, n in counts.items() if family in alerts)
    say = sum(n for family, n in counts.items() if family in texts and family not in alerts)
    lines.append(f"| all | {total} | {fire}, and {say} in texts | {total} |")
    return "\n".join(lines) + "\n", total, unread


def main():
    readme = Path(sys.argv[1])
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    written, after = rest.split(END, 1)
    made, total, unread = table()
    if "--write" in sys.argv:
        readme.write_text(before + BEGIN + made + END + after, encoding="utf-8")
        written = made
    problems = []
    if written != made:
        problems.append(f"{readme}: the table of series is another: run {Path(__file__).name} {readme} --write")
    if total > MOST:
        problems.append(f"a guest has {total} series, and no more than {MOST} are wanted")
    for family in unread:
        problems.append(f"{family} is read by no rule and by no dashboard")
    print("\n".join(problems) or f"{total} series a guest")
    return 1 if problems else 0


sys.exit(main())
