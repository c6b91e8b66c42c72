#!/usr/bin/env python3
"""leftovers_test.py PROGRAM...: the tests before this one have left nothing behind.

None of these programs runs any more, and nothing is pinned: what is left counts on, and others count it.
"""

import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from verdict import Verdict

PATIENCE = 30  # seconds; a test that is not of this tier may run one of them for a moment


def running(programs):
    """{process id: its program} of those that run one of these."""
    found = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*/exe"):
        try:
            program = os.readlink(entry)
        except OSError:
            continue  # it has ended, or is a thread of the kernel
        if program in programs:
            found[int(entry.parent.name)] = program
    return found


def main():
    programs = {os.path.realpath(program) for program in sys.argv[1:]}
    until = time.monotonic() + PATIENCE
    while running(programs) and time.monotonic() < until:
        time.sleep(0.2)
    left = running(programs)
    verdict = Verdict()
    verdict.check(not left, f"no program of a test runs any more {left or ''}")
    pins = sorted(map(str, pathlib.Path("/sys/fs/bpf").glob("kvmx-*")))
    verdict.check(not pins, f"and no test's pins are left {pins or ''}")
    verdict.end()


main()
