#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Do rules, alerts' texts and pages have the figures of exporter/diagnosis/thresholds.h where they speak of them?

    check_figures.py RULES_DIR

Every threshold is a figure of a runbook (thresholds.py; check_runbooks.py compares those), stands below, or is HOW
findings are looked for. No figure of a text about a finding is without a threshold that it comes from.
"""

import re
import string
import sys
from pathlib import Path

import promql_names
import thresholds
import yaml

ROOT = Path(__file__).resolve().parents[2]

# Thresholds that no rule, runbook or alert has.
HOW = {
    "kWindowSlackNs", "kShortestRoundNs", "kEverySecond", "kProgramsNone", "kArmsStandInSeconds", "kExitLeastSeconds",
    "kUserspaceExitLeastSeconds", "kUserspaceExitMostSeconds", "kSuspectExits", "kSuspectMsrAccesses",
    "kSuspectUserspaceExits",
}

# alert or recorded series, and what of it -> what it says.
RULES = {
    ("KvmTimerStorm", "description"): (
        "vm:kvm_halted:ratio_rate5m{{%s}} >= {kIdle:g} ", "or (ge $tick {kRunawayHertz:.1f})",
        "and (ge $tick {kRunawayUnhaltedHertz:.1f})"),
    ("KvmMsrStorm", "description"): ("MSRs {kMsrStormHertz:,.0f} times a second or more",),
    ("KvmExitRateHigh", "description"): ("exits take {kExitStormCpus:share} of a CPU or more",),
    ("KvmUserspaceExitStorm", "description"): ("take {kVmmStormCpus:share} of a CPU or more",),
    ("KvmVcpuStarved", "description"): ("more than {kStarved:share} of the time",),
    ("KvmHostIdleWakeups", "expr"): ("> {kKeepsAwake:g}",),
    ("KvmHostIdleWakeups", "description"): ("below {kKeepsAwake:ms} apart",),
    ("vm:kvm_exit_handling_seconds:rate5m", "expr"): (
        "< vm:kvm_exits:rate5m * {kExitMostSeconds:.5f}", "or vm:kvm_exits:rate5m * {kExitMostSeconds:.5f}"),
}
PAGES = {
    "deploy/prometheus/rules/kvm-recording.yml": ("more than {kExitMostSeconds:us} an exit",),
    "deploy/runbooks/KvmHostExitOverheadHigh.md": ("{kExitMostSeconds:us} on average at most",),
    "deploy/runbooks/KvmHostIdleWakeups.md": ("woken every {kKeepsAwake:ms}",),
    "dashboards/source/kvm.py": ("above {kKeepsAwake:g} a second none sleeps deeply",),
    "exporter/diagnosis/README.md": (
        "wake up {kStormTotal:,.0f} times a second or more", "({kRunawayHertz:,.0f}/s on most vCPUs",
        "{kRunawayUnhaltedHertz:,.0f}/s where none has halted for a minute", "({kTickHertz:g}/s or more on most vCPUs)",
        "access MSRs {kMsrStormHertz:,.0f} times a second", "take {kExitStormCpus:share} of a CPU or more",
        "take {kVmmStormCpus:share} of a CPU or more", "more than {kStarved:share} of the time",
        "for {kStarvedCpus:g} CPUs or more together", "must have got {kStarvedAtWork:g} CPUs",
        "changes {kLineStormHertz:g} times a second or more", "**Most** is {kMost:share}",
        "in the last {kWindowNs:s} is parked", "it has {kOnePlace:share}", "within 1 and {kExitMostSeconds:us}"),
}
# Figures of texts about findings that no threshold is behind.
OWN = {"50000 > /sys/module/kvm/parameters/halt_poll_ns"}
FIGURE = re.compile(rf"(?<![\w.])(?:\d{{1,3}}(?:,\d{{3}})+|\d{{3,}})|\b(?:{'|'.join(thresholds.SHARES)})\b")


def plain(text):
    return " ".join(text.split())


class Check:
    def __init__(self):
        self.known, self.stated, self.problems = thresholds.read(), set(), []

    def phrases(self, where, text, templates):
        """The text without them; a problem for each that it has not."""
        for template in templates:
            self.stated |= {name for _, name, _, _ in string.Formatter().parse(template) if name}
            phrase = template.format(**self.known)
            if phrase not in text:
                self.problems.append(f"{where} does not say: {phrase}")
            text = text.replace(phrase, "")
        return text

    def rule(self, rule):
        name = rule.get("alert") or rule["record"]
        of_finding = any(("finding", "=") == matcher[:2] for s in promql_names.parse(rule["expr"]).selectors
                         for matcher in s.matchers)
        for key, text in ({"expr": rule["expr"]} | rule.get("annotations", {})).items():
            left = self.phrases(f"{name}, its {key}", plain(text), RULES.get((name, key), ()))
            for own in OWN:
                left = left.replace(own, "")
            if of_finding and key == "description":
                for figure in FIGURE.findall(left):
                    self.problems.append(f"{name}: no threshold is behind {figure} in its {key}")
        return name

    def everywhere(self):
        listed = HOW.union(self.stated, *thresholds.OF_FINDING.values())
        for name in sorted(self.known.keys() ^ listed):
            self.problems.append(f"{name} is in thresholds.h or in the lists of the tests, not in both")


def main():
    check, names = Check(), set()
    for path in sorted(Path(sys.argv[1]).glob("*.yml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            names |= {check.rule(rule) for rule in group["rules"]}
    for name, _ in RULES:
        if name not in names:
            check.problems.append(f"{name} is no rule")
    for page, templates in PAGES.items():
        check.phrases(page, plain((ROOT / page).read_text(encoding="utf-8")), templates)
    check.everywhere()
    for text in check.problems:
        print(text)
    print(f"{len(check.known)} thresholds, {len(check.stated)} of them in {len(RULES) + len(PAGES)} texts")
    return 1 if check.problems else 0


if __name__ == "__main__":
    sys.exit(main())
