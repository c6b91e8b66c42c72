"""bounds_test.py EXPORTER GUEST: an exit costs no more than is recorded.

In an emulated host whose clock counts instructions (amd.sh --icount), with all collectors: what the
exporter adds to an exit and its re-entry, by the thread's own time. More than a fiftieth above bounds.txt
fails: find out why. Less than that below is said, too: the bound is to be lowered.
"""

import os
import pathlib
import statistics
import sys

import instruments
import measure

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "lib"))
from verdict import Verdict  # noqa: E402

MAY_DIFFER = 0.02
BOUNDS = pathlib.Path(__file__).with_name("bounds.txt")


def bounds(kernel):
    """Loop -> instructions."""
    rows = (line.split() for line in BOUNDS.read_text().splitlines() if not line.startswith("#"))
    return {loop: int(most) for series, loop, most in rows if series == kernel}


def main():
    exporter, guest = sys.argv[1:]
    known = bounds(os.environ["LAB_KERNEL"])
    loops = {name: options for name, options in measure.LOOPS.items() if name in known}
    bare = measure.measure(instruments.bare, guest, loops)
    everything = measure.measure(
        lambda: instruments.ours(exporter, instruments.COLLECTORS), guest, loops)
    verdict = Verdict()
    verdict.check(loops.keys() == known.keys() != set(), f"there is a bound for each loop: {known}")
    for loop, most in known.items():
        cost = statistics.median(everything[loop]["cpu"]) - statistics.median(bare[loop]["cpu"])
        verdict.check(cost <= most * (1 + MAY_DIFFER), f"{loop}: {cost:.0f} instructions, recorded {most}")
        if cost < most * (1 - MAY_DIFFER):
            print(f"{loop} has become cheaper: record {cost:.0f} in {BOUNDS.name}", flush=True)
    verdict.end()


main()
