#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does check.py notice what it is there to notice?

    mutants.py DASHBOARDS_DIR RULES_DIR GOLDEN_PAGE

Each mutant is the dashboards with one change, and check.py must say what is expected of it.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CHECK = Path(__file__).with_name("check.py")

# dashboard, what is found (its first place), what it becomes, what check.py must say
MUTANTS = [
    ("kvm-guest", "kvm_exits_total{", "kvm_exit_total{", "kvm_exit_total is neither"),
    ("kvm-guest", "sum by (reason)", "sum by (reasons)", "no metric has a label reasons"),
    ("kvm-guest", "{{reason}}", "{{cause}}", "the legend has cause"),
    ("kvm-guest", "[$__rate_interval]", "[5m]", "target-rate-interval-rule"),
    ("kvm-guest", "sum by (reason) (rate(", "sum by (reason) ((", "target-counter-agg-rule"),
    ("kvm-guest", "sum(rate(kvm_exits_total{", "sum(sum(kvm_exits_total{", "target-counter-agg-rule"),
    ("kvm-guest", 'vm=~\\"$vm\\"', 'vm=~\\"web\\"', "selects the vm web"),
    ("kvm-guest", 'instance=~\\"$instance\\",vm', "vm", "target-instance-rule"),
    ("kvm-guest", "[$__rate_interval])", "[$__rate_interval]", "target-promql-rule"),
    ("kvm-guest", '"0.0011"', '"0.001"', "names the buckets"),
    ("kvm-host", '"value": 0.25', '"value": 0.3', "0.3 is no figure of an alert"),
    ("kvm-host", '"value": 0.9', '"value": null', "has its figure 0.9"),
    ("kvm-host", '"unit": "bytes"', '"unit": ""', "panel-units-rule"),
    ("kvm-host", "${runbooks}KvmHvTimerUnused.md", "${runbooks}Kvm.md", "links to ${runbooks}Kvm"),
    ("kvm-host", '"editable": false', '"editable": true', "uneditable-dashboard"),
    ("kvm-host", '"allValue": ".+"', '"allValue": ".*"', "template-job-rule"),
    ("kvm-host", '"refresh": 2', '"refresh": 1', "template-on-time-change-reload-rule"),
    ("kvm-fleet", "/d/kvm-guest?", "/d/kvm-vm?", "links to the dashboard kvm-vm"),
    ("kvm-fleet", '"uid": "${datasource}"', '"uid": "abc"', "datasource-rule"),
    ("kvm-fleet", '"x": 3', '"x": 2', "lies upon another panel"),
    ("kvm-timer-storm", '"title": "Suspects"', '"title": "Guests"', "the panel Suspects of"),
    ("kvm-timer-storm", '"value": 0.5', '"value": 0.6', "0.6 is no figure of an alert"),
    ("kvm-fleet", "kvm_vm_tick_hertz", "kvm_exporter_series", "does not pass federation.yml"),
    ("kvm-timer-storm", "X2APIC_TMICT", "X2APIC_TMCIT", "contract.txt knows no msr"),
]


def main():
    directory, rules, page = sys.argv[1:4]
    missed = 0
    for uid, before, after, expected in MUTANTS:
        with tempfile.TemporaryDirectory() as copy:
            for file in Path(directory).glob("*.json"):
                shutil.copy(file, copy)
            file = Path(copy, f"{uid}.json")
            text = file.read_text(encoding="utf-8")
            file.write_text(text.replace(before, after, 1), encoding="utf-8")
            run = subprocess.run([sys.executable, "-B", CHECK, copy, rules, page],
                                 capture_output=True, text=True, check=False)
        if before not in text or run.returncode != 1 or expected not in run.stdout:
            missed += 1
            print(f"{uid}, {before} -> {after}: expected {expected!r}\n{run.stdout}{run.stderr}")
    print(f"{len(MUTANTS) - missed} of {len(MUTANTS)} mutants noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
