#!/usr/bin/env python3
"""kvm_stat_test.py EXPORTER GUEST: perf's counts of every kvm event and the exporter's are the same.

In an emulated AMD host, where no other VM runs. kvm_stat shows perf's counts of KVM's tracepoints;
`perf stat -a -e 'kvm:*'` gives them of exactly the time in which some guests run.
"""

import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from exporter import Exporter
from verdict import Verdict

# The events that have a family of their own: its name, and which of its samples.
FAMILIES = {
    "kvm_exit": ("kvm_exits_total", {}),
    "kvm_msr": ("kvm_msr_accesses_total", {}),
    "kvm_hv_timer_state": ("kvm_timer_arms_total", {}),
    "kvm_vcpu_wakeup": ("kvm_halts_total", {}),
    "kvm_userspace_exit": ("kvm_userspace_exits_total", {}),
    "kvm_pio": ("kvm_io_exits_total", {"space": "port"}),
    "kvm_mmio": ("kvm_io_exits_total", {"space": "mmio"}),  # of writes; no guest here reads
    "kvm_set_irq": ("kvm_interrupt_line_changes_total", {}),
}
NOT_RAISED = {"kvm_fast_mmio"}
BEFORE_ANY_VCPU = {"kvm_apicv_inhibit_changed", "kvm_fpu", "kvm_track_tsc", "kvm_unmap_hva_range",
                   "kvm_update_master_clock", "kvm_write_tsc_offset"}
GUESTS = """
"$0" --qemu-name stat-halt --program deadline-halt --rate 250 --count 200 --vcpus 2 --yield-every 20
"$0" --qemu-name stat-spin --program deadline-spin --rate 500 --count 100
"$0" --qemu-name stat-tmict --program tmict-halt --rate 250 --count 100
"$0" --qemu-name stat-msr --program random-msr --count 400 --indices 40 --deadlines 40
"$0" --qemu-name stat-cpuid --program cpuid --count 300
"$0" --qemu-name stat-pio --program pio --count 100
"$0" --qemu-name stat-mmio --program mmio --count 100
"$0" --qemu-name stat-lines --program cpuid --count 100 --irqs 30
"$0" --qemu-name stat-call --program hypercall --count 100
"""


def perf_counts(guest):
    """{event: count} of all CPUs while the guests run."""
    with tempfile.TemporaryDirectory() as directory:
        table = pathlib.Path(directory) / "table"
        subprocess.run(["perf", "stat", "-a", "-e", "kvm:*", "-x", ";", "-o", str(table), "--",
                        "sh", "-ec", GUESTS, guest], check=True, stdout=subprocess.DEVNULL)
        counts = {}
        for line in table.read_text().splitlines():
            fields = line.split(";")
            if len(fields) > 3 and fields[2].startswith("kvm:"):
                counts[fields[2].removeprefix("kvm:")] = int(fields[0])
        return counts


def main():
    binary, guest = sys.argv[1:3]
    verdict = Verdict()
    usage = subprocess.run([binary, "--help"], capture_output=True, text=True, check=True).stdout
    exporter = Exporter(binary, 10189,
                        *(["--collector.events"] if "--collector.events" in usage else []))
    perf = perf_counts(guest)
    page = exporter.scrape()
    seen = {event: int(n) for event, n in perf.items() if n}
    print("perf:", ", ".join(f"{event} {n}" for event, n in sorted(seen.items())), flush=True)
    verdict.check(len(perf) > 40 and len(seen) > 8, f"perf knows {len(perf)} events of kvm, saw"
                  f" {len(seen)} of them")
    for event, (family, labels) in FAMILIES.items():
        exported = page.sum(family, **labels) or 0
        verdict.check(exported == seen.get(event, 0), f"{event}: perf {seen.get(event, 0)},"
                      f" {family} {exported:.0f}")
    others = {m.labels["event"] for m in page.samples if m.name == "kvm_events_total"}
    if "--collector.events" in usage:
        verdict.check(bool(others), "kvm_events_total is there")
        others |= set(seen) - set(FAMILIES)
        verdict.check(not NOT_RAISED & set(seen), f"{NOT_RAISED} did not happen")
    missing = 0
    for event in sorted(others):
        exported = page.sum("kvm_events_total", event=event) or 0
        short = seen.get(event, 0) - exported
        missing += short
        # A VM is made before it has a vCPU that runs: until then its events are nobody's.
        verdict.check(short == 0 or (event in BEFORE_ANY_VCPU and short > 0),
                      f"{event}: perf {seen.get(event, 0)}, kvm_events_total {exported:.0f}")
    lost = {m.labels["cause"]: m.value for m in page.samples
            if m.name == "kvm_exporter_events_lost_total" and m.value}
    verdict.check(sum(lost.values()) == missing == lost.get("unattributed", 0),
                  f"the {missing:.0f} others are counted as unattributed: {lost}")
    verdict.end()


main()
