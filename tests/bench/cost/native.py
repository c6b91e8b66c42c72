#!/usr/bin/env python3
"""What our programs take at an event of this machine's KVM, as ratios to programs that do nothing.

The kernel times both, at the same events of one and the same run: a clock that others disturb
disturbs both alike. Which of two is attached first changes from run to run. A figure contains what
the kernel takes to read its clock, so the ratios are, if anything, too low: see the difference.

As root, after a build: tests/bench/cost/native.py build/release. Takes a minute. Prints a table in
Markdown; where this machine's KVM does not run guests, it says so and ends with 77.
"""

import contextlib
import json
import pathlib
import statistics
import subprocess
import sys

from instruments import COLLECTORS, EVENTS, CannotRun, empty, libbpf, ours

RUNS = 10
AT_LEAST = 100  # runs of a program; with fewer, its figure is noise
EVENT_NAME = 15  # of a program's name, the kernel keeps so much
LOOPS = {
    "MSR": "--program wrmsr --msr 0x3b --count 50000",
    "deadline, HLT": "--program deadline-halt --rate 1000 --count 1000",
}
SETS = {
    "exits, MSRs, timers": ("exits", "msrs", "timers"),
    "everything": COLLECTORS,
}


def run_guest(guest, options):
    done = subprocess.run([guest, *options.split()], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise CannotRun(done.stderr.strip())


def program_times(ids):
    """Event -> (ns, runs) of the programs with these ids."""
    return {event: (info.run_time_ns, info.run_cnt)
            for info in libbpf.loaded_programs() if info.id in ids
            for event in EVENTS if info.name.decode().startswith(event[:EVENT_NAME])}


def ns_a_run(before, after):
    """Event -> ns a run of its program in between."""
    spent = {event: (ns - before[event][0], runs - before[event][1])
             for event, (ns, runs) in after.items()}
    return {event: ns / runs for event, (ns, runs) in spent.items() if runs >= AT_LEAST}


def attached(start):
    """Starts an instrument; the ids of its programs."""
    before = {info.id for info in libbpf.loaded_programs()}
    start()
    return {info.id for info in libbpf.loaded_programs()} - before


def one_run(build, collectors, options, ours_first):
    """Event -> (ns of ours, ns of nothing)."""
    instruments = {"ours": ours(f"{build}/exporter/kvm_exit_exporter", collectors),
                   "nothing": empty(f"{build}/tests/bench/cost/empty.bpf.o", EVENTS)}
    guest = f"{build}/tests/guest/kvmx-guest"
    with contextlib.ExitStack() as running:
        ids = {name: attached(lambda: running.enter_context(instruments[name]))
               for name in sorted(instruments, reverse=ours_first)}
        run_guest(guest, options)  # what is done once is not to count
        running.enter_context(libbpf.run_times())
        before = {name: program_times(ids[name]) for name in ids}
        run_guest(guest, options)
        spent = {name: ns_a_run(before[name], program_times(ids[name])) for name in ids}
    return {event: (ns, spent["nothing"][event])
            for event, ns in spent["ours"].items() if event in spent["nothing"]}


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    print(f"| ours, loop | event | ours, ns | nothing, ns | difference | ratio |\n{'|---' * 6}|")
    for collectors_name, collectors in SETS.items():
        for loop, options in LOOPS.items():
            runs = [one_run(build, collectors, options, bool(number % 2)) for number in range(RUNS)]
            for event in sorted(set.intersection(*map(set, runs))):
                of_ours, of_nothing = (statistics.median(run[event][which] for run in runs)
                                       for which in (0, 1))
                ratio = statistics.median(run[event][0] / run[event][1] for run in runs)
                print(f"| {collectors_name}, {loop} | {event} | {of_ours:.0f} | {of_nothing:.0f} |"
                      f" {of_ours - of_nothing:.0f} | {ratio:.2f} |", flush=True)


try:
    main()
except CannotRun as reason:
    print(f"native.py: not measured: {reason}", file=sys.stderr)
    sys.exit(77)
