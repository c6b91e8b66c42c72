#!/usr/bin/env python3
"""What looking costs, in instructions added to each exit and re-entry.

In emulated AMD hosts whose clock counts instructions, on stock kernels, the same guests run without
and with each instrument: empty BPF programs, our collectors, perf stat, bpftrace, perf kvm stat.

As root, after a build: tests/bench/cost/run.py build/release. Takes some 5 minutes a kernel, most of
them to start perf and bpftrace. Prints tables in Markdown.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
LAB = HERE.parent.parent / "lab" / "amd.sh"
KERNELS = ("6.1", "6.12", "7.2")
YARDSTICKS = ("perf stat, kvm_exit", "empty program, kvm_exit")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", help="a build directory of the release preset")
    parser.add_argument("--kernel", action="append", help="6.1, 6.12, 7.2 (all of them) or 5.10;"
                        " repeatable")
    parser.add_argument("--only", action="append", default=[], metavar="NAME",
                        help="instruments whose names begin so, beside bare; repeatable")
    parser.add_argument("--json", metavar="FILE", help="keep every figure, by kernel")
    return parser.parse_args()


def measure(kernel, build, only):
    """What measure.py leaves, from an emulated host."""
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run(
            [LAB, "--kernel", kernel, "--icount", "--timeout", "3600", "--out", out, "--",
             "env", "PYTHONDONTWRITEBYTECODE=1", "python3", "-u", HERE / "measure.py", build,
             "/lab-out/cost.json", *only], stdout=sys.stderr)
        if done.returncode != 0:
            raise SystemExit(f"run.py: the host with {kernel} failed")
        return json.loads(pathlib.Path(out, "cost.json").read_text())


def added(result, name, loop, clock):
    """Instructions added to an exit, or None."""
    if not isinstance(result.get(name), dict):
        return None
    with_it, bare = result[name][loop][clock], result["bare"][loop][clock]
    return statistics.median(with_it) - statistics.median(bare)


def spread(result):
    """By how much runs of the same differ, at most, as a share of the figure."""
    runs = [figures["cpu"] for loops in result.values() if isinstance(loops, dict)
            for figures in loops.values()]
    return max((max(figures) - min(figures)) / statistics.median(figures) for figures in runs)


def ratios(result, loop, cost):
    for yardstick in YARDSTICKS:
        base = added(result, yardstick, loop, "cpu")
        yield f"{cost / base:.2f}" if base else "-"


def table(result):
    loops = list(result["bare"])
    yield "| | " + " | ".join(f"{loop} | x perf | x empty" for loop in loops) + " | all CPU |"
    yield "|---" * (3 * len(loops) + 2) + "|"
    for name in result:
        cells = []
        for loop in loops:
            cost = added(result, name, loop, "cpu")
            if cost is None:
                cells += ["-", "-", "-"]
            elif name == "bare":
                cells += [f"({statistics.median(result[name][loop]['cpu']):.0f})", "", ""]
            else:
                cells += [f"{cost:.0f}", *ratios(result, loop, cost)]
        wall = added(result, name, loops[0], "wall")
        cells.append("" if name == "bare" else "-" if wall is None else f"{wall:.0f}")
        yield f"| {name} | " + " | ".join(cells) + " |"


def main():
    arguments = parse_arguments()
    build = pathlib.Path(arguments.build).resolve()
    results = {}
    for kernel in arguments.kernel or KERNELS:
        result = results[kernel] = measure(kernel, build, arguments.only)
        print(f"\n**Linux {kernel}**: instructions added to an exit and its re-entry, on its own"
              f" thread (of an exit without anything, in brackets). Runs of the same differ by at"
              f" most {100 * spread(result):.1f} %.\n")
        print("\n".join(table(result)), flush=True)
        for name, figures in result.items():
            if not isinstance(figures, dict):
                print(f"\n{name}: does not run here: {figures}")
        if arguments.json:
            pathlib.Path(arguments.json).write_text(json.dumps(results, indent=1))
    print("\n\"x perf\": as a multiple of perf stat with kvm_exit alone; \"x empty\": of an empty BPF"
          "\nprogram at kvm_exit. \"all CPU\": of the first loop, with what the instrument's own"
          " process\ntook meanwhile.")


main()
