#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Do the dashboards keep the practice, know what they ask for, and show every alert?

    check.py DASHBOARDS_DIR RULES_DIR GOLDEN_PAGE

The practice is that of Grafana's dashboard-linter, whose names for its rules are used here. Metrics,
labels and their values are those of tests/rules/contract.txt, of our recording rules, and the few of
others that are named below. An alert is shown by the panels that link to its runbook: together they
must ask for all that it reads and have all its figures, as a threshold or in a query; and no panel
may have a threshold that none of its alerts has. Every query is parsed by promtool.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "rules"))
import check_rules  # noqa: E402
import check_runbooks  # noqa: E402
import promql_names  # noqa: E402

problem = check_rules.problem

FRONT = {"timeseries", "stat", "table", "bargauge"}
UIDS = {"kvm-fleet", "kvm-host", "kvm-guest", "kvm-timer-storm"}
# Not the exporter's own, or in every Prometheus client: metric -> labels.
OTHERS = {
    "ALERTS": {"alertname", "alertstate", "severity", "vm"},
    "process_cpu_seconds_total": set(),
    "process_resident_memory_bytes": set(),
}
# What Grafana puts in; any duration does for promtool.
DURATIONS = {"$__rate_interval": "1m", "$__range": "1h", "$__interval": "15s"}
COUNTER = re.compile(r"_(total|bucket|count|sum)$")
INSIDE_RATE = re.compile(r"\b(?:rate|increase)\($")


class Rules:
    def __init__(self, directory):
        groups = [g for p in sorted(directory.glob("*.yml"))
                  for g in yaml.safe_load(p.read_text(encoding="utf-8"))["groups"]]
        rules = [rule for group in groups for rule in group["rules"]]
        self.records = {r["record"]: r for r in rules if "record" in r}
        self.alerts = {}
        for rule in rules:
            if "alert" in rule:
                self.alerts.setdefault(rule["alert"], []).append(rule)
        self.metrics, self.values = check_rules.load_contract()
        self.metrics |= OTHERS


def substituted(expression):
    for name, value in DURATIONS.items():
        expression = expression.replace(name, value)
    return expression


def selectors(expression):
    return promql_names.parse(substituted(expression)).selectors


# --- Grafana's dashboard-linter ---


def lint_variables(where, variables):
    by_name = {v["name"]: v for v in variables}
    source = by_name.get("datasource", {})
    if (source.get("type"), source.get("query"), source.get("label")) != (
            "datasource", "prometheus", "Data source"):
        problem(where, "template-datasource-rule")
    for name, label in (("job", "Job"), ("instance", "Instance"), ("vm", "VM")):
        variable = by_name.get(name)
        if variable is None and name != "vm":
            problem(where, f"template-{name}-rule: there is no variable {name}")
        elif variable is not None:
            found = [variable.get(k) for k in ("type", "label", "multi", "includeAll", "allValue")]
            if found != ["query", label, True, True, ".+"]:
                problem(where, f"template-{name}-rule: {found}")
    for variable in variables:
        if variable["type"] == "query":
            if variable["refresh"] != 2:
                problem(where, f"template-on-time-change-reload-rule: {variable['name']}")
            if not re.fullmatch(r"label_values\(.+, \w+\)", variable["query"]["query"]):
                problem(where, f"template-label-promql-rule: {variable['name']}")
            if variable["datasource"]["uid"] != "${datasource}":
                problem(where, f"template-datasource-rule: {variable['name']}")


def lint_dashboard(where, board):
    if board["editable"] is not False:
        problem(where, "uneditable-dashboard")
    expected = {"uid": where, "timezone": "utc", "time": {"from": "now-1h", "to": "now"}}
    for key, value in expected.items():
        if board[key] != value:
            problem(where, f"{key} is {board[key]}")
    if not board["tags"] or not any(set(link["tags"]) & set(board["tags"]) for link in board["links"]):
        problem(where, "has no tag, or no link to those with its tag")
    if "id" in board:
        problem(where, "has an id: Grafana gives it one")
    titles = [p["title"] for p in board["panels"] if p["type"] != "row"]
    for title in {t for t in titles if titles.count(t) > 1}:
        problem(where, f"two panels are called {title}")
    lint_variables(where, board["templating"]["list"])
    lint_grid(where, board["panels"])


def lint_grid(where, panels):
    taken = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                 for y in range(at["y"], at["y"] + at["h"])}
        if at["x"] + at["w"] > 24 or cells & taken:
            problem(where, f"{panel['title']} lies upon another panel, or beside the dashboard")
        taken |= cells


def lint_panel(where, panel):
    if panel["type"] == "row":
        return
    if not panel.get("title") or not panel.get("description"):
        problem(where, "panel-title-description-rule")
    if panel["datasource"]["uid"] != "${datasource}":
        problem(where, "panel-datasource-rule")
    if not panel["fieldConfig"]["defaults"].get("unit"):
        problem(where, "panel-units-rule")
    if not panel.get("targets"):
        problem(where, "panel-no-targets-rule")
    for uid in re.findall(r'"/d/([\w-]+)', json.dumps(panel)):
        if uid not in UIDS:
            problem(where, f"links to the dashboard {uid}, which is not there")


# --- queries ---


def check_selector(where, selector, rules):
    check_rules.check_selector(where, selector, rules.metrics, rules.values, rules.records)
    chosen = {label: value for label, operator, value in selector.matchers if operator == "=~"}
    for label in ("job", "instance"):
        if chosen.get(label, "").rstrip("|") != f"${label}":
            problem(where, f"target-{label}-rule: {selector.metric}")
    if "vm" in chosen and chosen["vm"].rstrip("|") != "$vm":
        problem(where, f"selects the vm {chosen['vm']}")


def check_ranges(where, expression):
    """Counters stand in rate() or increase(), over a range that follows the dashboard's."""
    for name in re.finditer(r"[A-Za-z_:][\w:]*", expression):
        if ":" not in name[0] and COUNTER.search(name[0]) and "{" == expression[name.end():][:1]:
            if not INSIDE_RATE.search(expression[:name.start()]):
                problem(where, f"target-counter-agg-rule: {name[0]}")
    plain = re.sub(r'"[^"]*"', '""', expression)
    for found in re.findall(r"\b(?:rate|increase)\([^\[\]]*\[([^\]]+)\]", plain):
        if found not in ("$__rate_interval", "$__range"):
            problem(where, f"target-rate-interval-rule: [{found}]")


def check_legend(where, legend, expression, names, rules):
    """The labels that a legend names are labels that the query leaves."""
    by = set(names.clauses[0][1]) if names.clauses and re.match(r"[(\s]*\w+ by ", expression) else set()
    left = by or check_rules.TARGET_LABELS.union(
        *(rules.metrics.get(s.metric) or check_rules.labels_of_record(s.metric) for s in names.selectors))
    for label in re.findall(r"{{(\w+)}}", legend):
        if label not in left:
            problem(where, f"the legend has {label}, the query has not")


def check_target(where, target, rules):
    expression = target["expr"]
    names = promql_names.parse(substituted(expression))
    for selector in names.selectors:
        check_selector(where, selector, rules)
    known = check_rules.TARGET_LABELS.union(*rules.metrics.values())
    for _, labels in names.clauses:
        for label in set(labels) - known:
            problem(where, f"no metric has a label {label}")
    check_ranges(where, expression)
    check_legend(where, target.get("legendFormat", ""), expression, names, rules)


def parse_all(expressions):
    """By promtool, as so many rules: [(where, expression)]."""
    rules = [{"record": "synthetic", "expr": substituted(e)} for _, e in expressions]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}, file)
        file.flush()
        run = subprocess.run(["promtool", "check", "rules", "--lint=none", file.name],
                             capture_output=True, text=True, check=False)
    if run.returncode:
        for number, text in re.findall(r'rule (\d+), "synthetic": (.*)', run.stderr):
            problem(expressions[int(number) - 1][0], f"target-promql-rule: {text}")
        if "synthetic" not in run.stderr:
            problem("promtool", run.stderr.strip())


def forwarded(directory):
    """What the samples for fleets send on, a pattern of names each."""
    federation = yaml.safe_load((directory / "federation.yml").read_text(encoding="utf-8"))
    matches = federation["scrape_configs"][0]["params"]["match[]"]
    named = [re.search(r'__name__=~"([^"]+)"', m) or re.match(r"()(\w+)", m) for m in matches]
    yield "federation.yml", "|".join(m[1] or m[2] for m in named)
    write = yaml.safe_load((directory / "remote-write.yml").read_text(encoding="utf-8"))["remote_write"][0]
    yield "remote-write.yml", write["write_relabel_configs"][0]["regex"]


def check_forwarded(directory, panels):
    """KVM / Fleet has all that it asks for where only a part of the series is."""
    for sample, pattern in forwarded(directory):
        for where, panel in panels:
            asked = {s.metric for t in panel["targets"] for s in selectors(t["expr"])}
            for metric in sorted(asked):
                if where.startswith("kvm-fleet") and not re.fullmatch(pattern, metric):
                    problem(where, f"{metric} does not pass {sample}")


# --- alerts ---


def figures(panel):
    """Thresholds and the figures that queries compare or multiply with."""
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    lines = {step["value"] for step in steps if step["value"] is not None}
    return lines, {n for t in panel["targets"] for _, n in check_runbooks.compared(substituted(t["expr"]))}


def check_alert(name, rules, panels):
    meant = {n for rule in rules.alerts[name]
             for kind, n in check_runbooks.thresholds(rule, rules.records) if kind == "number"}
    reads = {s.metric for rule in rules.alerts[name] for s in selectors(rule["expr"])}
    shown, said = set(), set()
    for panel in panels:
        shown |= {s.metric for t in panel["targets"] for s in selectors(t["expr"])}
        said |= set().union(*figures(panel))
    for metric in sorted(reads - shown):
        problem(name, f"no panel that links to its runbook shows {metric}")
    for figure in sorted(meant - said):
        problem(name, f"no panel that links to its runbook has its figure {figure:g}")
    return meant


def check_alerts(rules, panels):
    linked = {}
    for where, panel in panels:
        for link in panel.get("links", []):
            name = link["title"].removeprefix("Runbook: ")
            if link["url"] != f"${{runbooks}}{name}.md" or name not in rules.alerts:
                problem(where, f"links to {link['url']}")
            linked.setdefault(name, []).append((where, panel))
    meant = {}
    for name in rules.alerts:
        if name not in linked:
            problem(name, "no panel shows it")
        else:
            meant[name] = check_alert(name, rules, [p for _, p in linked[name]])
    for where, panel in panels:
        lines, compared = figures(panel)
        of_alerts = set().union(*(meant.get(l["title"].removeprefix("Runbook: "), set())
                                  for l in panel["links"]))
        if all(t["expr"].startswith("count(") for t in panel["targets"]):
            of_alerts |= {1}  # there is one, or none
        for figure in sorted((lines | compared) - of_alerts):
            if figure in lines or panel["links"]:
                problem(where, f"{figure:g} is no figure of an alert that it shows")


def check_runbooks_panels(directory, panels):
    """Each runbook says where to look, and that panel links back."""
    linked = {(where, link["title"]) for where, panel in panels for link in panel["links"]}
    for book in sorted(directory.glob("Kvm*.md")):
        text = book.read_text(encoding="utf-8")
        seen = re.findall(r"^In Grafana: KVM / ([\w ]+), ([^.]+)\.(?= |$)", text, re.M)
        for title, panel in seen:
            uid = "kvm-" + title.lower().removesuffix(" triage").replace(" ", "-")
            if (f"{uid}: {panel}", f"Runbook: {book.stem}") not in linked:
                problem(book.stem, f"the panel {panel} of {uid} does not link to it")
        if not seen:
            problem(book.stem, "does not say where to look in Grafana")


def check_intervals(page, panels):
    bounds = re.findall(r'^kvm_timer_interval_seconds_bucket\{.*le="([^"]+)"', page, re.M)
    for where, panel in panels:
        if panel["type"] == "bargauge":
            named = [o["matcher"]["options"] for o in panel["fieldConfig"]["overrides"]]
            if named != list(dict.fromkeys(bounds)):
                problem(where, f"names the buckets {named}, the exporter has {bounds}")


def main():
    directory, rules = Path(sys.argv[1]), Rules(Path(sys.argv[2]))
    panels, expressions = [], []
    boards = {p.stem: json.loads(p.read_text(encoding="utf-8")) for p in directory.glob("*.json")}
    if boards.keys() != UIDS:
        problem("dashboards", f"are {sorted(boards)}")
    for uid, board in boards.items():
        lint_dashboard(uid, board)
        variables = {v["name"]: v for v in board["templating"]["list"]}
        if variables["runbooks"]["query"] != check_rules.BASE:
            problem(uid, "the runbooks are not where the alerts' runbook_url says")
        for mark in board["annotations"]["list"]:
            where = f"{uid}: marks of {mark['name']}"
            if mark["datasource"]["uid"] != "${datasource}":
                problem(where, "annotation-datasource-rule")
            expressions.append((where, mark["target"]["expr"]))
            check_target(where, mark["target"], rules)
        for panel in board["panels"]:
            where = f"{uid}: {panel['title']}"
            lint_panel(where, panel)
            if panel["type"] not in FRONT:
                continue
            panels.append((where, panel))
            for target in panel["targets"]:
                expressions.append((where, target["expr"]))
                check_target(where, target, rules)
    parse_all(expressions)
    check_alerts(rules, panels)
    check_forwarded(Path(sys.argv[2]).parent, panels)
    check_runbooks_panels(Path(sys.argv[2]).parents[1] / "runbooks", panels)
    check_intervals(Path(sys.argv[3]).read_text(encoding="utf-8"), panels)
    for text in check_rules.problems:
        print(text)
    print(f"{len(panels)} panels, {len(expressions)} queries, {len(rules.alerts)} alerts shown")
    return 1 if check_rules.problems else 0


if __name__ == "__main__":
    sys.exit(main())
