#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Do the scenarios and check_rules.py notice when a rule is changed? Many minutes: not in run.sh.

    mutate.py RULES_DIR [REGEX]          only mutants whose description matches REGEX

Each mutant is the rules with one change. One that nobody notices is said to survive, and makes this
fail: either a scenario is missing, or what was changed does not matter.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
# Changes that no test can notice, by the lines they are in, and why.
UNTESTABLE = {"rate(kvm_exit_latency_seconds[10m])": "promtool 2.42 takes no native histograms"}

# what is found -> what it becomes. Thresholds move by a third: nearer than that a test need not go.
NUMBER = re.compile(r"(?<=[<>] )\d+(?:\.\d+)?|\d+(?= \* vm:)|0\.00002")
CHANGES = [
    (re.compile(r"\bsum without"), "max without"),
    (re.compile(r"\bcount without"), "sum without"),
    (re.compile(r"\bsum by \("), "max by ("),
    (re.compile(r"\btopk by (\(.*\)) \(1, (.*)\)$", re.M), r"\2"),
    (re.compile(r"\bmax by \(job, instance\) "), ""),
    (re.compile(r"last_over_time\((\w+)\[\d+m\]\)"), r"\1"),
    (re.compile(r"(?<=finding_seconds_total)\[10m\]"), "[5m]"),
    (re.compile(r"^\s+or on \(job, instance, vm\)\n.*$", re.M), ""),
    (re.compile(r"^\s+or on \(job, instance, vm, finding\)\n.*$", re.M), ""),
    (re.compile(r"^\s+or\n\s+sum by .*\n.*\n\s+\)", re.M), ""),
    (re.compile(r"\(job, vm, name"), "(job, instance, vm, name"),
    (re.compile(r"\(job, instance, vm, name"), "(job, vm, name"),
    (re.compile(r"(?<=group_left )\(name, .*\)"), "(namespace)"),
    (re.compile(r'finding="(?!idle_tick)\w+"'), 'finding="idle_tick"'),
    (re.compile(r'finding="idle_tick"'), 'finding="timer_storm"'),
    (re.compile(r',uuid!=""'), ""),
    (re.compile(r',uuid=""'), ""),
    (re.compile(r"\bHLT\|"), ""),
    (re.compile(r"(?<=\|)hlt\|"), ""),
    (re.compile(r"\|idle-halt"), ""),
    (re.compile(r"\|PAUSE_INSTRUCTION"), ""),
    (re.compile(r"\|pause"), ""),
    (re.compile(r"\|vmgexit(?=\|)"), ""),
    (re.compile(r"\|vmgexit_ap_hlt_loop"), ""),
    (re.compile(r"clamp_min\("), "clamp_max("),
    (re.compile(r'wakeup="poll"'), 'wakeup="wait"'),
    (re.compile(r'isa="vmx"'), 'isa="svm"'),
    (re.compile(r'timer="sw"'), 'timer="hv"'),
    (re.compile(r'reason="vmgexit"'), 'reason="x"'),
    (re.compile(r"== 1\b"), "== 0"),
    (re.compile(r"== 0\b"), "== 1"),
    (re.compile(r"^\s+and (?!on \(job, instance, vm\)$).*$", re.M), ""),
    (re.compile(r"^\s+and(?: on \(job, instance, vm\))?\n.*\S.*$", re.M), ""),
    (re.compile(r"^\s+unless on .*\n.*\S.*$", re.M), ""),
    (re.compile(r'cause!="unattributed"'), 'cause=~".+"'),
    (re.compile(r"0\.99,"), "0.5,"),
    (re.compile(r"\bfor: (\d+)m"), lambda m: f"for: {int(m[1]) * 3}m"),
    (re.compile(r"(?<!_)\bfor: (\d+)m"), lambda m: "for: 1m"),
    (re.compile(r"^\s+keep_firing_for: .*$", re.M), ""),
]


def in_annotations(text, at):
    """Is this place in words that people read, or in a comment?"""
    line = text[text.rfind("\n", 0, at) + 1 : text.find("\n", at)]
    before = text[:at]
    return line.lstrip().startswith("#") or before.rfind("annotations:") > max(
        before.rfind("expr:"), before.rfind("- alert:"), before.rfind("- record:")
    )


def rule_at(text, at):
    names = re.findall(r"- (?:alert|record): (\S+)", text[:at])
    return names[-1] if names else ""


def mutants(text):
    for match in NUMBER.finditer(text):
        for factor in (0.66, 1.5):
            changed = f"{float(match[0]) * factor:g}"
            if float(match[0]) != 0 and not in_annotations(text, match.start()):
                yield match.start(), match.end(), changed
    for pattern, change in CHANGES:
        for match in pattern.finditer(text):
            if not in_annotations(text, match.start()):
                changed = change(match) if callable(change) else match.expand(change)
                yield match.start(), match.end(), changed


def likely_first(rule):
    """The scenario files, those that speak of a rule first."""
    files = [*sorted((HERE / "scenarios").glob("*.yml")), HERE / "table.yml"]
    return sorted(files, key=lambda file: -file.read_text(encoding="utf-8").count(rule))


def untestable(text, start, end):
    """Why no test can notice a change there, or None."""
    line_end = text.find("\n", end)
    lines = text[text.rfind("\n", 0, start) + 1 : line_end]
    why = next((why for words, why in UNTESTABLE.items() if words in lines), None)
    return f"untestable, as {why}" if why else None


def annotations_notice(rules):
    """Do the annotations read otherwise?"""
    test = rules.parent / "annotations.test.yml"
    text = (HERE / test.name).read_text(encoding="utf-8")
    test.write_text(text.replace("../../deploy/prometheus/rules/", f"{rules}/"), encoding="utf-8")
    return subprocess.run(["promtool", "test", "rules", test], capture_output=True).returncode != 0


def noticed(rules, rule):
    """By which scenarios, or by promtool as not being rules at all."""
    run = subprocess.run(
        ["promtool", "check", "rules", *map(str, rules.glob("*.yml"))], capture_output=True
    )
    if run.returncode != 0:
        return "invalid"
    if subprocess.run(
        [HERE / "check_rules.py", rules, *likely_first(rule)], capture_output=True
    ).returncode:
        return "check_rules"
    for scenario in likely_first(rule):
        test = rules.parent / "test.yml"
        command = [HERE / "expand.py", rules, scenario, "60", "counts"]
        with test.open("w", encoding="utf-8") as file:
            subprocess.run(command, stdout=file, check=True)
        if subprocess.run(["promtool", "test", "rules", test], capture_output=True).returncode:
            return scenario.stem
    return "annotations" if annotations_notice(rules) else None


def main():
    source, wanted = Path(sys.argv[1]), re.compile(sys.argv[2] if len(sys.argv) > 2 else "")
    count = survivors = 0
    with tempfile.TemporaryDirectory() as temporary:
        rules = Path(temporary) / "rules"
        rules.mkdir()
        for path in source.glob("*.yml"):
            (rules / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
        for path in sorted(rules.glob("*.yml")):
            text = path.read_text(encoding="utf-8")
            for start, end, changed in mutants(text):
                what = f"{rule_at(text, start)}: {text[start:end].strip()!r} -> {changed.strip()!r}"
                if not wanted.search(what):
                    continue
                path.write_text(text[:start] + changed + text[end:], encoding="utf-8")
                by = noticed(rules, rule_at(text, start)) or untestable(text, start, end)
                path.write_text(text, encoding="utf-8")
                count += 1
                survivors += by is None
                print(f"{by or 'SURVIVED'}: {what}", flush=True)
    print(f"{count} mutants, {survivors} survived")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
