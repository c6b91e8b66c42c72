"""preemption_test.py EXPORTER GUEST: exact counts where many busy vCPUs share one CPU.

In an emulated host. Since Linux 7.x tracepoints leave preemption on, and the kernel does not run a
typed BPF program on a CPU on which another thread was preempted within it. Of MSR accesses none may
be missing: they, and faults, equal the guest's own figures. Halts and returns to the VMM have
programs that are skipped only while a system call on a BPF map is preempted there: hardly any, and
what is counted and what is skipped equal the kernel's own histograms.
"""

import json
import pathlib
import subprocess
import sys
from collections import Counter

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from exporter import Exporter
from tracing import Witness
from verdict import Verdict

VCPUS = 24
TICKS = 200
GUESTS = {
    "writes": ["wrmsr", "--msr", "0x3b", "--count", "4000"],
    "reads": ["rdmsr", "--msr", "0x10a", "--count", "4000"],
    "faults": ["wrmsr", "--msr", "0xc0ffee", "--count", "4000"],
    "ticks": ["tick-halt", "--count", str(TICKS), "--rate", "250"],
}


def run(binary, name):
    """What the guest says of its vCPUs."""
    done = subprocess.run([binary, "--qemu-name", name, "--vcpus", str(VCPUS), "--program",
                           *GUESTS[name]], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])["vms"][0]["vcpus"]


def guest_accesses(vcpus):
    """(op, index) -> accesses, by the guest."""
    return Counter({(op, msr["index"]): sum(m[f"{op}s"] for v in vcpus for m in v["msrs"]
                                            if m["index"] == msr["index"])
                    for op in ("read", "write") for msr in vcpus[0]["msrs"]})


def exported_accesses(page, vm):
    """(op, index) -> accesses, by the exporter."""
    accesses = Counter()
    for sample in page.samples:
        if sample.name == "kvm_msr_accesses_total" and sample.labels["vm"] == vm:
            accesses[sample.labels["op"], sample.labels["index"]] += int(sample.value)
    return accesses


def main():
    binary, guest = sys.argv[1:]
    verdict = Verdict()
    witness = Witness("kvmx-preemption", "kvm_vcpu_wakeup", "kvm_userspace_exit")
    exporter = Exporter(binary, 10212, "--vm.linger=1h")
    reports = {name: run(guest, name) for name in GUESTS}
    page = exporter.scrape()
    for name, vcpus in reports.items():
        want, have = +guest_accesses(vcpus), exported_accesses(page, name)
        verdict.check(want == have, f"{name}: {have.total()} MSR accesses, by the guest"
                      f" {want.total()}{'' if want == have else f': {have} for {want}'}")
        faults = sum(m[f"{op}_faults"] for v in vcpus for m in v["msrs"] for op in ("read", "write"))
        have = page.sum("kvm_msr_faults_total", vm=name) or 0
        verdict.check(have == faults, f"{name}: {have:.0f} faults, by the guest {faults}")
    intervals = page.sum("kvm_timer_interval_seconds_count", vm="ticks")
    verdict.check(intervals == VCPUS * (TICKS - 1),
                  f"{intervals:.0f} intervals between {VCPUS} times {TICKS} programmings")
    skipped = {m.labels["probe"]: m.value for m in page.samples
               if m.name == "kvm_exporter_probe_missed_total"}
    for family, event in (("kvm_halts_total", "kvm_vcpu_wakeup"),
                          ("kvm_userspace_exits_total", "kvm_userspace_exit")):
        have, seen, missed = page.sum(family), witness.count(event), skipped.pop(event)
        # A return that was skipped is made up for when the vCPU's next KVM_RUN begins, if there is one.
        made_up = event == "kvm_userspace_exit"
        verdict.check((have <= seen <= have + missed if made_up else have + missed == seen)
                      and missed < 0.01 * seen,
                      f"{have:.0f} events {event} and {missed:.0f} skipped, by the kernel {seen}")
    # The next entry finds out which vCPU runs, if the program that is told of it was skipped.
    skipped.pop("kvm_arch_vcpu_ioctl_run")
    verdict.check(not any(skipped.values()), f"and no other: {skipped}")
    verdict.end()


main()
