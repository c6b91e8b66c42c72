#!/usr/bin/env python3
"""measure.py BUILD OUT [INSTRUMENT...]: runs guests under each instrument, inside a host.

Leaves in OUT, as JSON, the instructions that an exit and its re-entry took: instrument -> loop ->
by the time of the vCPU's thread ("cpu") and of the whole host ("wall", which contains what else runs
on its one CPU: the instrument's own process) -> one figure a run; or, in place of the loops, a
sentence why it cannot run here. The host's clock must count instructions (amd.sh --icount). Names of
instruments are compared by their beginning.
"""

import json
import shlex
import subprocess
import sys
import time

from instruments import CannotRun, all_instruments

RUNS = 3
LOOPS = {
    "CPUID": "--program cpuid --count 10000",
    "MSR": "--program wrmsr --msr 0x3b --count 10000",
    "HLT": "--program deadline-halt --rate 1000 --count 3000",
    # At each HLT another vCPU has the CPU, so none finds its slot by the CPU's hint.
    "the same, 4 vCPUs": "--program deadline-halt --rate 1000 --vcpus 4 --count 1000",
}


def run_guest(prefix, guest, options):
    """The report of a guest that one instrument or none looks at."""
    words = [guest, *options.split()]
    # bpftrace takes its command as one word.
    full = [*prefix, shlex.join(words)] if prefix[-1:] == ["-c"] else [*prefix, *words]
    done = subprocess.run(full, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    report = next((line for line in done.stdout.splitlines() if line.startswith("{")), None)
    if done.returncode != 0 or report is None:
        raise CannotRun(f"{shlex.join(full)}: {done.stderr.strip()[-300:] or done.stdout[-300:]}")
    return json.loads(report)


def instructions_an_exit(report, clock):
    vm = report["vms"][0]
    spent = sum(thread[clock] for vcpu in vm["vcpus"] for thread in vcpu["threads"])
    return round(spent / vm["debugfs"]["exits"], 1)


def measure(start, guest, loops):
    """Loop -> clock -> figures, under one instrument."""
    figures = {}
    with start() as prefix:
        for loop, options in loops.items():
            run_guest(prefix, guest, options)  # what is done once is not to count
            reports = [run_guest(prefix, guest, options) for _ in range(RUNS)]
            figures[loop] = {clock: [instructions_an_exit(report, f"{clock}_ns")
                                     for report in reports] for clock in ("cpu", "wall")}
    return figures


def main():
    build, out, *wanted = sys.argv[1:]
    guest = f"{build}/tests/guest/kvmx-guest"
    instruments = all_instruments(f"{build}/exporter/kvm_exit_exporter",
                                  f"{build}/tests/bench/cost/empty.bpf.o", guest)
    result = {}
    for name, start in instruments.items():
        if wanted and name != "bare" and not any(name.startswith(prefix) for prefix in wanted):
            continue
        began = time.monotonic()
        try:
            result[name] = measure(start, guest, LOOPS)
        except CannotRun as reason:
            result[name] = str(reason)
        print(f"{name}: {result[name]} ({time.monotonic() - began:.1f} s)", flush=True)
    with open(out, "w") as file:
        json.dump(result, file, indent=1)


if __name__ == "__main__":
    main()
