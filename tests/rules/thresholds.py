# SPDX-License-Identifier: Apache-2.0
"""The exporter's thresholds, as exporter/diagnosis/thresholds.h has them, and which of them make which finding."""

import re
from fractions import Fraction
from pathlib import Path

HEADER = Path(__file__).parents[2] / "exporter/diagnosis/thresholds.h"

# finding -> what makes it. The runbooks of its alerts state each, in bold.
OF_FINDING = {
    "timer_storm": ("kMost", "kTickHertz", "kIdle", "kStormTotal", "kRunawayHertz", "kRunawayUnhaltedHertz",
                    "kNeverHaltsSeconds"),
    "idle_tick": ("kMost", "kTickHertz", "kIdle", "kNeverHaltsSeconds"),
    "msr_storm": ("kMost", "kMsrStormHertz", "kOneCause"),
    "exit_storm": ("kMost", "kExitStormCpus"),
    "vmm_storm": ("kMost", "kVmmStormCpus", "kOneCause"),
    "halt_poll_waste": ("kPollCpus",),
    "cpu_starved": ("kStarved", "kStarvedCpus", "kStarvedAtWork", "kRestlessHertz"),
    "interrupt_line_storm": ("kLineStormHertz",),
}

COUNTS = {1: "a", 2: "two", 3: "three"}
PARTS = {3: "third", 4: "quarter", 5: "fifth", 10: "tenth", 20: "twentieth"}


class Figure(float):
    """A threshold. Its own formats: share (a tenth), the times us and s (of ns), and ms between two of a rate."""

    def __format__(self, spec):
        if spec == "us":
            return f"{self * 1e6:g} microseconds"
        if spec == "s":
            return f"{self / 1e9:g} s"
        if spec == "ms":
            return f"{1000 / self:g} ms"
        if spec != "share":
            return super().__format__(spec)
        share = Fraction(float(self)).limit_denominator(max(PARTS))
        many = "s" if share.numerator > 1 else ""
        return f"{COUNTS[share.numerator]} {PARTS[share.denominator]}{many}"


SHARES = {f"{Figure(n / d):share}": n / d for n in COUNTS for d in PARTS if Fraction(n, d).denominator == d > n}


def read():
    """{name: figure}"""
    known = {}
    code = re.sub(r"//.*", "", HEADER.read_text(encoding="utf-8"))
    for name, value in re.findall(r"constexpr [\w:]+ (k\w+) =\s*([^;]+);", code):
        known[name] = Figure(eval(value.replace("'", ""), {}, known))
    return known
