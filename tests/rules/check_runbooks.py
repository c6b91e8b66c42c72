#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does each alert have a runbook of our form, and do its thresholds say what the rule does?

    check_runbooks.py RUNBOOKS_DIR RULES_DIR README

Thresholds are the bold figures of the section Meaning: **800/s**, **70 %**, **two thirds**, **1 ms**,
**5 minutes**. They must be exactly those of the alert's rules: what is compared with, the factor,
`for`, `keep_firing_for`; where the alert reads a recording rule that compares with thresholds itself,
that rule's; and where it reads a finding of the exporter, those of exporter/diagnosis/thresholds.h
that make it (thresholds.py). Queries are parsed by promtool and use known
metrics, commands are parsed by bash. In README's table of alerts, figures after ">" must be the
rule's.
"""

import re
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import check_rules
import promql_names
import thresholds as exporter
import yaml

SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
UNITS = {"second": 1, "minute": 60, "hour": 3600}
problem = check_rules.problem


def duration(text):
    return ("time", int(text[:-1]) * SECONDS[text[-1]])


def compared(expression):
    """Figures that an expression compares or multiplies with; 0 asks only whether there is any."""
    for before, number in promql_names.parse(expression).numbers:
        if before in ("<", ">", "<=", ">=") and number != 0:
            yield ("number", number)
    for factor in re.findall(r"(\d+) \* \w+:", expression):
        yield ("number", float(factor))


def of_findings(expression):
    """Figures of the exporter that make the findings which an expression reads."""
    known = exporter.read()
    for selector in promql_names.parse(expression).selectors:
        for label, operator, value in selector.matchers:
            if (label, operator) == ("finding", "="):
                yield from (("time" if name.endswith("Seconds") else "number", known[name])
                            for name in exporter.OF_FINDING[value])


def thresholds(rule, records, seen=(), findings=False):
    found = set(compared(rule["expr"])) | set(of_findings(rule["expr"]) if findings else ())
    for name in {s.metric for s in promql_names.parse(rule["expr"]).selectors} - set(seen):
        if name in records:
            found |= set(thresholds(records[name], records, (*seen, name)))
    for key in ("for", "keep_firing_for"):
        if key in rule:
            found.add(duration(rule[key]))
    return found


def stated(name, text):
    for bold in re.findall(r"\*\*(.+?)\*\*", text, re.S):
        if bold in exporter.SHARES:
            yield ("number", exporter.SHARES[bold])
            continue
        match = re.fullmatch(r"([\d,.]+)\s*(/s|%|ms|CPUs?|(?:second|minute|hour)s?)?", bold)
        if not match:
            problem(name, f"**{bold}** is no figure")
            continue
        figure, unit = float(match[1].replace(",", "")), match[2] or ""
        if unit.rstrip("s") in UNITS:
            yield ("time", int(figure * UNITS[unit.rstrip("s")]))
        else:
            yield ("number", figure / {"%": 100, "ms": 1000}.get(unit, 1))


def blocks(text):
    """(language, code) of each fenced block, without its indentation."""
    for fence in re.finditer(r"^([ ]*)```(\w*)\n(.*?)^\1```", text, re.M | re.S):
        yield fence[2], textwrap.dedent(fence[3])


def check_queries(name, queries, contract, records):
    rules = [{"record": "synthetic", "expr": query} for query in queries]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        yaml.safe_dump({"groups": [{"name": "runbook", "rules": rules}]}, file)
        file.flush()
        # Queries may be the same as long as each is one.
        run = subprocess.run(
            ["promtool", "check", "rules", "--lint=none", file.name], capture_output=True, text=True
        )
    if run.returncode != 0:
        problem(name, run.stderr.strip())
        return
    for query in queries:
        for selector in promql_names.parse(query).selectors:
            check_rules.check_selector(name, selector, *contract, records)


def check_runbook(path, rules, contract, records):
    name, text = path.stem, path.read_text(encoding="utf-8")
    if f"# {name}\n" not in text:
        problem(name, "the title is not the alert's name")
    if re.findall(r"^## (.+)$", text, re.M) != SECTIONS:
        problem(name, f"sections are not {', '.join(SECTIONS)}")
        return
    if re.search(r"\b(?:HOST|NAME)\b", text) and "see [README.md](README.md)" not in text:
        problem(name, "does not say where HOST and NAME are explained")
    for link in re.findall(r"\]\((\w+\.md)(?:#[\w-]+)?\)", text):
        if not (path.parent / link).exists():
            problem(name, f"links to {link}, which is not there")
    meaning = text.split("## Meaning")[1].split("## Impact")[0]
    said = set(stated(name, meaning))
    meant = set().union(*(thresholds(rule, records, findings=True) for rule in rules))
    for kind, figure in sorted(meant - said):
        problem(name, f"does not say the rule's {kind} {figure:g}")
    for kind, figure in sorted(said - meant):
        problem(name, f"says {kind} {figure:g}, the rule does not")
    queries = []
    for language, code in blocks(text):
        if language == "sh":
            run = subprocess.run(["bash", "-n"], input=code, capture_output=True, text=True)
            if run.returncode != 0:
                problem(name, run.stderr.strip())
        else:
            # A line that begins further in goes on with the query above it.
            queries += [q.strip() for q in re.split(r"\n(?=\S)", code) if q.strip()]
    if not queries:
        problem(name, "has no query")
    check_queries(name, queries, contract, records)


def check_overview(text, alerts, records):
    rows = dict(re.findall(r"^\| (Kvm\w+) \| (.+) \|$", text, re.M))
    for name in sorted(alerts.keys() ^ rows.keys()):
        problem("README", f"{name} is in the rules or in the table, not in both")
    for name in alerts.keys() & rows.keys():
        severities = ", ".join(rule["labels"]["severity"] for rule in alerts[name])
        if not rows[name].startswith(f"{severities} |"):
            problem("README", f"{name} is {severities}")
        meant = {figure for rule in alerts[name] for _, figure in thresholds(rule, records)}
        for figure, unit in re.findall(r"> ([\d,.]+) ?(%|ms)?", rows[name]):
            said = float(figure.replace(",", "")) / {"%": 100, "ms": 1000}.get(unit, 1)
            if said not in meant:
                problem("README", f"says > {figure} {unit} of {name}")


def main():
    directory = Path(sys.argv[1])
    rules = [
        rule
        for path in sorted(Path(sys.argv[2]).glob("*.yml"))
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    ]
    records = {r["record"]: r for r in rules if "record" in r}
    alerts = {}
    for rule in rules:
        if "alert" in rule:
            alerts.setdefault(rule["alert"], []).append(rule)
    contract = check_rules.load_contract()
    books = {path.stem: path for path in directory.glob("Kvm*.md")}
    for name in sorted(alerts.keys() - books.keys()):
        problem(name, "has no runbook")
    for name in sorted(books.keys() - alerts.keys()):
        problem(name, "is a runbook of no alert")
    for name in sorted(alerts.keys() & books.keys()):
        check_runbook(books[name], alerts[name], contract, records)
    check_overview(Path(sys.argv[3]).read_text(encoding="utf-8"), alerts, records)
    for text in check_rules.problems:
        print(text)
    print(f"{len(books)} runbooks")
    return 1 if check_rules.problems else 0


if __name__ == "__main__":
    sys.exit(main())
