#!/usr/bin/env python3
"""collectors_test.py EXPORTER GUEST: each collector alone loads its own programs and shows its own.

In an emulated AMD host. What is loaded is the kernel's word: the programs behind the exporter's
own descriptors, and those in all the system, before and after.
"""

import json
import pathlib
import re
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from events import FUNCTIONS
from exporter import Exporter
from guests import Guests
from verdict import Verdict

# A collector: the events it attaches to, the families it must show of a guest, and those it may.
# `handling` is the time between the events of two: without `exits` it loads kvm_entry's program and
# has nothing to show.
COLLECTORS = {
    "exits": ({"kvm_exit"}, {"kvm_exits_total"}, set()),
    "handling": ({"kvm_entry"}, set(), set()),
    "msrs": ({"kvm_msr"}, {"kvm_msr_accesses_total", "kvm_timer_interval_seconds"},
             {"kvm_msr_faults_total"}),
    "timers": ({"kvm_hv_timer_state"}, {"kvm_timer_arms_total", "kvm_hv_timer_in_use"}, set()),
    "halts": ({"kvm_vcpu_wakeup"}, {"kvm_halts_total", "kvm_halt_seconds_total"}, set()),
    "userspace": ({"kvm_userspace_exit"}, {"kvm_userspace_exits_total"},
                  {"kvm_userspace_seconds_total"}),
    "io": ({"kvm_pio", "kvm_mmio", "kvm_fast_mmio"}, {"kvm_io_exits_total"}, set()),
    "interrupts": ({"kvm_set_irq"}, {"kvm_interrupt_line_changes_total"}, set()),
    "events": (None, {"kvm_events_total", "kvm_exits_total"}, set()),
}
# What the page has of any host and VM, whatever is counted: also what listings read.
ALWAYS = re.compile(r"kvm_vm_|kvm_vcpu_|kvm_halt_poll_failed_|kvm_host_|kvm_exporter_|process_|exposer_|go_")


def switches(binary):
    """The collectors of this binary: its own --help knows."""
    text = subprocess.run([binary, "--help"], capture_output=True, text=True, check=True).stdout
    return re.findall(r"--(?:\[no-\])?collector\.([a-z]+) ", text)


def system_programs():
    done = subprocess.run(["bpftool", "-j", "prog", "show"], capture_output=True, text=True,
                          check=True)
    return {program["id"]: program.get("name", "") for program in json.loads(done.stdout)}


def own_programs(pid):
    """{id} of the programs that a process holds."""
    found = set()
    for entry in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        at = re.search(r"^prog_id:\s*(\d+)", entry.read_text(), re.M)
        if at:
            found.add(int(at[1]))
    return found


def are_gone(before):
    """Whether no programs are there but `before`. Linux 7.x frees those of a link a moment later."""
    deadline = time.monotonic() + 30
    while set(system_programs()) != set(before):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def check_alone(verdict, binary, guests, name, known):
    events, must, may = COLLECTORS[name]
    # `events` needs `exits`, which tell whose vCPU a thread runs.
    also = {"exits"} if name == "events" else set()
    flags = [f"--no-collector.{other}" for other in known if other not in {name, "events"} | also]
    before = system_programs()
    exporter = Exporter(binary, 10191, *flags, f"--collector.{name}")
    guests.run(f"{name}-a", "--program", "deadline-halt", "--rate", "250", "--count", "60",
               "--yield-every", "10")
    guests.run(f"{name}-b", "--program", "cpuid", "--count", "60", "--irqs", "3")
    scrape = exporter.scrape()
    loaded = {i: n for i, n in system_programs().items() if i not in before}
    own = own_programs(exporter.process.pid)
    verdict.check(set(loaded) == own, f"{name}: programs new in the system are the exporter's own:"
                  f" {len(loaded)}, {sorted(loaded.values())[:3]}")
    attached = {m.labels["probe"]: m.value for m in scrape.samples
                if m.name == "kvm_exporter_probe_attached"}
    if events is None:
        events = set(attached)
        verdict.check(len(events) > 5, f"{name}: {len(events)} probes")
    verdict.check(attached == {event: 1 for event in events | FUNCTIONS},
                  f"{name}: attached is {dict(list(attached.items())[:3])}")
    # The one that lists vCPUs belongs to none, and those by which KVM tells of them belong to all.
    loaded = {i: n for i, n in loaded.items() if not n.startswith(("list_", "kvm_arch_vcpu"))}
    # A program is named after its event: kvm_exit_svm, kvm_msr_tp_btf; a kernel's names of programs
    # have 15 characters. Those of exits lean on the one that notices returns to the VMM.
    if name != "events":
        needed = events | ({"kvm_userspace_exit"} if name in ("exits", "handling") else set())
        named = all(any(n.startswith(event[:15]) for event in needed) for n in loaded.values())
        verdict.check(len(loaded) == len(needed) and named,
                      f"{name}: {len(loaded)} loaded for {len(needed)} events")
    exported = {family for family in scrape.families() if not ALWAYS.match(family)}
    verdict.check(must <= exported <= must | may, f"{name}: exports {sorted(exported)}")
    verdict.check(exporter.stop() == 0, f"{name}: ends well")
    verdict.check(are_gone(before), f"{name}: its programs went with it")


def main():
    binary, guests, verdict = sys.argv[1], Guests(sys.argv[2]), Verdict()
    known = switches(binary)
    verdict.check(set(known) == set(COLLECTORS), f"this test knows {known}")
    for name in known:
        check_alone(verdict, binary, guests, name, known)
    verdict.end()


main()
