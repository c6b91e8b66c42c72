#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Copies the rules with all their times divided: a test cannot wait for a quarter of an hour.

    shorten.py DIVISOR RULES_DIR OUT_DIR

Every duration is divided alike (ranges, subquery steps, offsets, `for`, `keep_firing_for`,
intervals), so that what relates them stays: with 20, a window of 5m is 15s, an hour is 3m, and
minutes that are counted are of 3s. Scrape at least four times in the shortest window. Names stay,
too: rate5m is then a rate over 15s. Thresholds are rates and shares, and are not touched.

The tests that page (../e2e/page_stack.py) divide the times of the samples, too: Prometheus's
intervals and those in which Alertmanager waits and groups.
"""

import re
import sys
from pathlib import Path

UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
DURATION = r"(\d+)(ms|[smhd])"
# Durations stand in brackets, after `offset`, and after these keys; nowhere else.
PLACES = [
    rf"(?<=\[){DURATION}(?=[\]:])",
    rf"(?<=:){DURATION}(?=\])",
    rf"(?<=offset ){DURATION}\b",
    rf"(?<=for: ){DURATION}\b",
    rf"(?<=interval: ){DURATION}\b",
    rf"(?<=wait: ){DURATION}\b",
]


def shorten(text, divisor):
    def divided(match):
        exact = int(match[1]) * UNITS[match[2]] / divisor
        if exact != int(exact) or exact == 0:
            sys.exit(f"{match[0]} is not to be divided by {divisor}")
        return f"{int(exact)}ms"

    lines = []
    for line in text.splitlines():
        # What a person reads is left alone: comments, and queries quoted in descriptions.
        if not line.lstrip().startswith("#") and '{{ printf "%q"' not in line:
            for place in PLACES:
                line = re.sub(place, divided, line)
        lines.append(line)
    return "\n".join(lines) + "\n"


def main():
    divisor, source, target = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("*.yml")):
        text = shorten(path.read_text(encoding="utf-8"), divisor)
        (target / path.name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
