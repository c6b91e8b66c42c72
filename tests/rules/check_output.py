#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does the exporter's real output keep contract.txt?

    check_output.py PAGE...

Each family on a page of /metrics is in the contract, with its type and exactly its labels ("vcpu?"
may be there or not). A family that is on no page is named, and does not fail: a host may not have
it. Values of labels that the rules select by are checked where the contract lists all there are.
"""

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
SAMPLE = re.compile(r'^(\w+)(?:\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\})? ')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
# Labels of which the contract lists every value.
CLOSED = {"op", "timer", "wakeup", "isa", "cause", "state"}


def load_contract():
    families, values = {}, {}
    for line in (HERE / "contract.txt").read_text(encoding="utf-8").splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "=":
            values.setdefault(words[1], set()).update(words[2:])
        else:
            families[words[0]] = (words[1], words[2:])
    return families, values


def check_sample(family, labels, contract, values):
    wanted = contract[family][1]
    needed = {w for w in wanted if not w.endswith("?")}
    allowed = needed | {w.rstrip("?") for w in wanted}
    names = set(labels) - {"le"}
    if not needed <= names <= allowed:
        yield f"{family} has the labels {sorted(names)}, the contract says {' '.join(wanted)}"
    for label in CLOSED & names:
        if labels[label] not in values[label]:
            yield f'{family}: {label}="{labels[label]}" is not in the contract'


def main():
    contract, values = load_contract()
    problems, seen = set(), set()
    for page in sys.argv[1:]:
        types = {}
        for line in Path(page).read_text(encoding="utf-8").splitlines():
            if line.startswith("# TYPE "):
                name, kind = line.split()[2:4]
                types[name] = kind
                if not name.startswith("kvm_"):
                    continue
                seen.add(name)
                if name not in contract:
                    problems.add(f"{name} is not in the contract")
                elif contract[name][0] != kind:
                    problems.add(f"{name} is a {kind}, the contract says {contract[name][0]}")
            elif match := SAMPLE.match(line):
                family = match[1]
                if family not in types:
                    family = re.sub(r"_(bucket|sum|count)$", "", family)
                if family in contract:
                    labels = dict(LABEL.findall(match[2] or ""))
                    problems.update(check_sample(family, labels, contract, values))
    for text in sorted(problems):
        print(text)
    for name in sorted(contract.keys() - seen - {"up", "process_start_time_seconds"}):
        print(f"note: {name} is on no page")
    print(f"{len(seen)} families on {len(sys.argv) - 1} pages")
    return 1 if problems or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
