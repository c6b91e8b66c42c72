"""attribution_test.py EXPORTER GUEST: counts go to the right VM and vCPU, however these are run.

In an emulated AMD host. Several VMs in one process, one thread for several vCPUs, vCPUs that wander
from thread to thread, vCPUs that are plugged in later; VMs, threads and processes that come again
under the addresses and the numbers of earlier ones. Each vCPU does something else (a random
sequence of MSR accesses of its own), so counts in the wrong place would show. All must equal what
the guest and KVM say.
"""

import os
import pathlib
import sys
import time
from collections import Counter

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from bpf_maps import map_entries
from counts import exported_counts, guest_counts, skipped_userspace_exits
from exporter import Exporter
from guests import Guests
from verdict import Verdict

LAST_PID = pathlib.Path("/proc/sys/kernel/ns_last_pid")
COUNT = 2000 if "KVMX_FULL" in os.environ else 1000  # MSR accesses of a vCPU
WORK = ("--hold-before", "--hold-after", "--program", "random-msr", "--indices", 40, "--count", COUNT,
        "--deadlines", 30, "--yield-every", 7)
# Without BTF of KVM an event tells a vCPU's id and not its VM, and each thread has its own slots.
TELLS_VM = os.environ["LAB_KERNEL"] != "5.10"
HAS_TYPES = pathlib.Path("/sys/kernel/btf/vmlinux").exists()
ONE_VM = {
    "one-vm": ("--vcpus", 3),
    "one-thread": ("--vcpus", 3, "--one-thread"),
    "wandering": ("--vcpus", 3, "--swap-threads", 5),
    "lone-wanderer": ("--swap-threads", 5),  # between two threads
    "hot-plug": ("--vcpus", 4, "--stagger", 300),
}
SEVERAL_VMS = {
    "three-vms": ("--vms", 3, "--vcpus", 2),
    "one-thread-three-vms": ("--vms", 3, "--vcpus", 2, "--one-thread"),
    "wandering-two-vms": ("--vms", 2, "--vcpus", 2, "--swap-threads", 3),
}
ROUNDS = 4


def vms_of(page, name):
    """[counts] of the VMs of the process of that name, ended ones too."""
    labels = {m.labels["vm"] for m in page.samples
              if m.name == "kvm_vm_info" and m.labels["name"] == name}
    return [exported_counts([m for m in page.samples if m.labels.get("vm") == label], TELLS_VM)
            for label in labels]


def by_kind(counts):
    """The sums over vCPUs, and over what belongs to none."""
    sums = Counter()
    for (_, kind), count in counts.items():
        sums["", kind] += count
    return sums


def in_order(counts):
    return sorted(sorted(vm.items()) for vm in counts)


def without_userspace_exits(counts):
    return [Counter({kind: n for kind, n in vm.items() if kind != ("", "userspace exits")}) for vm in counts]


class Attribution:
    def __init__(self, exporter, guests, verdict):
        self.exporter, self.guests, self.verdict = exporter, guests, verdict
        self.userspace_exits = 0  # of all VMs, by the guests' own counts

    def work(self, guest):
        """What its VMs do now, by their own counts."""
        vms = self.guests.work(guest)["vms"]
        counts = [guest_counts(vm) for vm in vms]
        self.userspace_exits += sum(vm["", "userspace exits"] for vm in counts)
        return vms, counts

    def check_same(self, what, page, have, want):
        """Two lists of VMs' counts: which VM is which label is for nobody to know."""
        if skipped_userspace_exits(page):
            have, want = without_userspace_exits(have), without_userspace_exits(want)
        same = in_order(have) == in_order(want)
        accesses = sum(n for vm in want for (_, kind), n in vm.items() if kind in ("read", "write"))
        self.verdict.check(same, f"{what}: {len(have)} VMs, {accesses} MSR accesses are where they belong"
                           + ("" if same else f"\n  exported    {in_order(have)}\n  guests' own {in_order(want)}"))

    def check_threads(self, guest, vcpus):
        """A thread that runs a vCPU no more leaves nothing behind while the VM lives on."""
        tids = [int.from_bytes(bytes(int(byte, 16) for byte in entry["key"]), "little")
                for entry in map_entries("slot_of_thread")]
        known = [tid for tid in tids if tid >= guest.pid]  # ids go up: the others are older guests'
        self.verdict.check(0 < len(known) <= vcpus, f"threads {known} are known for {vcpus} vCPUs")

    def check_in_vmm(self, name, vcpus):
        """All vCPUs are with their VMM now, each of them once, however many threads have run it."""
        first = self.exporter.scrape()
        time.sleep(2)
        last = self.exporter.scrape()
        before, after = (sum(m.value for m in page.samples if m.name == "kvm_userspace_seconds_total"
                             and m.labels["vm"].startswith(name)) for page in (first, last))
        most = vcpus * (last.end - first.start)
        self.verdict.check(0 < after - before <= most,
                           f"{name}: {after - before:.2f} seconds with the VMM in {most:.2f} of {vcpus} vCPUs")

    def run_case(self, name, *options):
        """The guest's process, which has ended then."""
        guest = self.guests.hold(name, *options, *WORK)
        vms, want = self.work(guest)
        page = self.exporter.until(lambda page: vms_of(page, name))
        if not TELLS_VM:
            want = [sum(want, Counter())]
        self.check_same(name, page, vms_of(page, name), want)
        self.check_in_vmm(name, sum(len(vm["vcpus"]) for vm in vms))
        if TELLS_VM:
            self.check_threads(guest, sum(len(vm["vcpus"]) for vm in vms))
        self.guests.go_on(guest)
        guest.wait()
        return guest.pid

    def check_rounds(self):
        """VMs of one process one after the other, with threads of the same ids. KVM often gives one
        the address of the one before, and then it goes on with the counters of that."""
        name = "rounds"
        guest = self.guests.hold(name, "--repeat", ROUNDS, "--vcpus", 2, *WORK)
        want, threads = Counter(), Counter()
        for number in range(ROUNDS):
            if number:
                LAST_PID.write_text(str(min(threads) - 1))
                self.guests.go_on(guest)
                guest.stdout.readline()  # the next VM is ready
            (vm,), (counts,) = self.work(guest)
            threads.update(thread["tid"] for vcpu in vm["vcpus"] for thread in vcpu["threads"])
            want += counts
            page = self.exporter.until(lambda page: vms_of(page, name))
            have = sum(vms_of(page, name), Counter())
            # Without types: a thread may get an id of which the kernel tells only later that it is free.
            told_apart = Counter if HAS_TYPES else by_kind
            self.check_same(f"VM {number} of a process, and those before", page, [told_apart(have)], [told_apart(want)])
        again = [thread for thread, rounds in threads.items() if rounds > 1]
        self.verdict.check(again, f"threads {again} were those of several VMs")
        self.guests.go_on(guest)
        guest.wait()

    def check_same_process(self):
        """A process with the id of one that has just ended, whose counts linger."""
        before = self.run_case("before", "--vcpus", 2)
        LAST_PID.write_text(str(before - 1))
        after = self.run_case("after", "--vcpus", 2, "--seed", 9)
        self.verdict.check(before == after, f"they were processes {before} and {after}")

    def check_nothing_lost(self):
        page = self.exporter.scrape()
        lost = {m.labels["cause"]: m.value for m in page.samples
                if m.name == "kvm_exporter_events_lost_total"}
        self.verdict.check(not any(lost.values()), f"nothing is lost: {lost}")
        have, skipped = page.sum("kvm_userspace_exits_total"), skipped_userspace_exits(page)
        self.verdict.check(have <= self.userspace_exits <= have + skipped,
                           f"{have:.0f} userspace exits, by the guests {self.userspace_exits}, of which {skipped:.0f}"
                           " were skipped")


def main():
    attribution = Attribution(Exporter(sys.argv[1], 10213, "--vm.linger=1h"), Guests(sys.argv[2]),
                              Verdict())
    for name, options in (ONE_VM | SEVERAL_VMS).items():
        attribution.run_case(name, *options)
    attribution.check_rounds()
    attribution.check_same_process()
    attribution.check_nothing_lost()
    attribution.verdict.end()


main()
