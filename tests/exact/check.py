#!/usr/bin/env python3
"""check.py DIR [--without-btf]: compares what scenario.sh left in DIR, count by count.

Three sources must agree exactly: the exporter's metrics, an independent witness in the kernel
(tracefs), and the guests' own counts of what they did. Prints what was compared; exits with 1 if
anything differs, if a series has no counterpart, or if nothing was compared. Without BTF no opt-in
events may be there.
"""

import json
import pathlib
import sys
from collections import Counter

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import by_guest
import events
import by_witness
from comparison import Checker, Vm
from metrics import parse_metrics
from witness import EVENTS, OTHERS, kernel_names, witness

ISAS = {"vmx": 1, "svm": 2}


def check_health(check, metrics, isa, others):
    """Returns whether KVM's functions are attached to."""
    told = {m.value for m in metrics if m.name == "kvm_exporter_probe_attached"
            and m.labels["probe"] in events.FUNCTIONS}
    # This machine's kernel may let nothing be attached to a function; a lab's does.
    check.equal("health", "all of KVM's functions are attached to, or none", told <= {1} or (not isa and told == {0}), True)
    for m in metrics:
        if m.name == "kvm_exporter_probe_attached" and m.labels["probe"] not in events.FUNCTIONS:
            check.equal("health", f"attached {m.labels}", m.value, 1)
        if m.labels.get("cause") == "unattributed":
            continue  # of processes that have not run a vCPU yet
        if m.name == "kvm_exporter_events_lost_total":
            check.equal("health", f"{m.name} {m.labels}", m.value, 0)
        if m.name == "kvm_host_info":
            check.equal("health", "isa", m.labels["isa"], isa or "other")
    check.equal("health", "attached probes",
                sum(m.name == "kvm_exporter_probe_attached" for m in metrics),
                len({*EVENTS, "kvm_entry", *others}) + len(events.functions(metrics)))
    return told == {1}


def are_lines_attributed(directory, functions):
    """Whether each change of a line is told with its VM: by a function, whose argument needs BTF of KVM."""
    return functions and "kvm" in (directory / "types.txt").read_text().split()


def main():
    directory = pathlib.Path(sys.argv[1])
    others = [] if "--without-btf" in sys.argv[2:] else OTHERS
    metrics = parse_metrics((directory / "metrics.txt").read_text())
    isa = next(m.labels["isa"] for m in metrics if m.name == "kvm_host_info")
    isa = isa if isa in ISAS else None
    names = kernel_names(directory, "kvm_exit", 0 if isa == "vmx" else 1) if isa else {}
    user_names = kernel_names(directory, "kvm_userspace_exit", 0)
    seen = witness(directory)
    check = Checker(Counter({m.labels["probe"]: m.value for m in metrics
                             if m.name == "kvm_exporter_probe_missed_total"}))
    told = are_lines_attributed(directory, check_health(check, metrics, isa, others))
    reports, expected = sorted(directory.glob("*.json")), set()
    for path in reports:
        vm = Vm(json.loads(path.read_text().splitlines()[-1]), path.stem, metrics, seen, told)
        had_events = any(vm.seen.values())
        check.equal("VMs", f"{vm.label} is known by its name", bool(vm.metrics), had_events)
        expected |= {vm.label} if had_events else set()
        by_witness.check_exits(check, vm, names, isa)
        by_witness.check_msrs(check, vm)
        by_witness.check_timers(check, vm)
        by_witness.check_halts(check, vm)
        by_witness.check_userspace(check, vm, user_names)
        by_witness.check_events(check, vm, isa, others)
        by_witness.check_io(check, vm)
        if path.stem != "late":
            by_guest.check_own_account(check, vm, isa)
    labels = {m.labels["vm"] for m in metrics if "vm" in m.labels}
    check.equal("VMs", "all are there", expected - labels, set())

    by_witness.check_lines(check, metrics, seen, told)
    check.settle(sum(m.value for m in metrics if m.labels.get("cause") == "unattributed"))
    for failure in check.failures:
        print("DIFFERS", failure)
    print(", ".join(f"{kind} {n}" for kind, n in check.compared.items()))
    print(f"{sum(check.compared.values())} compared, {len(check.failures)} differ"
          f" ({isa or 'no kvm_exit on this host'}, {len(reports)} guests)")
    sys.exit(1 if check.failures or not reports else 0)


main()
