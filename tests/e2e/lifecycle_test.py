#!/usr/bin/env python3
"""lifecycle_test.py EXPORTER TRICKS: VMs that do what few do are counted like any other.

A VM keeps its label whatever its process is called; what counts has not ended, whoever runs its vCPU
and whether or not its descriptors are closed; a VM that lives comes before those that have ended
when there is no more room. A vCPU is one, however many threads run it, and it is told apart from
those of other VMs of its process before it has entered its guest, and is itself already when its timer
is restored. On this machine's KVM, or in an
emulated host, which alone has exits.
"""

import atexit
import contextlib
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from bare_vm import make_vm
from events import FUNCTIONS, functions
from exporter import Exporter
from verdict import Verdict, need_kvm

SECONDS = 16 if "LAB_ISA" in os.environ else 8
SLOTS = 16
AWAY = 8  # seconds, at least
INTERRUPTED = "restart"
# Elsewhere others may run VMs, too.
ALONE = "LAB_ISA" in os.environ
# Elsewhere the VMs of a process are one.
TELLS_VM = os.environ.get("LAB_KERNEL") != "5.10"


class Trick:
    """kvmx-tricks, until stop()."""

    def __init__(self, binary, name, seconds=SECONDS):
        self.process = subprocess.Popen([binary, name, str(seconds)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.children, self.ended = set(), None
        atexit.register(self.stop)

    def look(self, pages):
        """Whether it has something to report; notes its children, and the first page after that was so."""
        pid = self.process.pid
        with contextlib.suppress(OSError):
            self.children |= set(map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
        if self.ended is None and select.select([self.process.stdout], [], [], 0)[0]:
            self.ended = len(pages)
        return self.ended is not None

    def report(self):
        """How often KVM_RUN returned, or VMs were made, once that is over."""
        return int(self.process.stdout.readline())

    def stop(self):
        if self.process.poll() is None:
            self.process.communicate()


def labels_of(page, pid):
    return {m.labels["vm"] for m in page.samples
            if m.name == "kvm_vm_info" and m.labels["pid"] == str(pid)}


def returns(page, labels, reason="KVM_EXIT_IO"):
    """KVM_RUN's returns for this reason of VMs with these labels."""
    return sum(page.sum("kvm_userspace_exits_total", vm=label, reason=reason) or 0 for label in labels)


def told(page):
    """Whether KVM itself tells of its vCPUs."""
    return bool(functions(page.samples)) and all(
        page.sum("kvm_exporter_probe_attached", probe=name) == 1 for name in FUNCTIONS)


def watch(exporter, *tricks):
    """The pages until all of them have something to report, their first reports, and one page more."""
    pages = [exporter.scrape()]
    while not all([trick.look(pages) for trick in tricks]):
        time.sleep(0.2)
        pages.append(exporter.scrape())
    counts = [trick.report() for trick in tricks]
    return [*pages, exporter.scrape()], counts


def until_named(exporter, pages, *tricks):
    """The pages, and one on which each of these has its VM: it may have had no name so soon."""
    named = exporter.until(lambda page: all(labels_of(page, trick.process.pid) for trick in tricks))
    return [*pages, named or pages[-1]]


def check_rename(verdict, pages, trick, count):
    labels = set().union(*(labels_of(page, trick.process.pid) for page in pages))
    verdict.check(len(labels) == 1, f"a VM whose process takes another name all the time: {labels}")
    got = returns(pages[-1], labels)
    verdict.check(got == count, f"all its {count} returns are counted: {got}")


def check_other_process(verdict, pages, trick, count):
    """The vCPU belongs to a process that does not run it. Both are watched: which of them the VM is
    said to be is another matter."""
    pids = [trick.process.pid, *trick.children]
    verdict.check(len(pids) == 2, f"it runs its vCPU in a child: {pids}")
    seen = [returns(page, set().union(*(labels_of(page, pid) for pid in pids))) for page in pages]
    verdict.check(seen == sorted(seen), "they never step back, though --vm.linger is shorter")
    verdict.check(seen[-1] == count, f"all {count} returns of another process are counted: {seen[-1]}")
    labels = [set().union(*(labels_of(page, pid) for page in pages)) for pid in pids]
    if told(pages[-1]):
        verdict.check([len(found) for found in labels] == [1, 0], f"it is one VM, its maker's: {labels}")


def check_orphan(verdict, pages, trick, count):
    """The process that made the VM is gone; one that shares its memory goes on running the vCPU."""
    verdict.check(trick.process.wait(5) == 0, "a process that makes a VM, and ends")
    if not told(pages[-1]):
        print("not checked here, where KVM does not tell whose a vCPU is: a VM of a process that is gone")
        return
    labels = set().union(*(labels_of(page, trick.process.pid) for page in pages))
    seen = [returns(page, labels) for page in pages]
    verdict.check(len(labels) == 1 and seen == sorted(seen), f"its VM goes on, as {labels}")
    verdict.check(seen[-1] == count, f"all its {count} returns are counted: {seen[-1]}")
    vcpus = [page.sum("kvm_vm_vcpus", vm=label) for page in pages for label in labels
             if page.sum("kvm_userspace_exits_total", vm=label)]
    verdict.check(set(vcpus) == {1}, f"it has its vCPU all the time: {set(vcpus)}")


def check_orphan_ends(verdict, exporter, trick):
    trick.process.stdin.close()
    gone = exporter.until(lambda page: not labels_of(page, trick.process.pid), 60)
    verdict.check(gone, "when the process that went on ends, its VM is gone, too")


def check_closed(verdict, pages, trick, count):
    """The guest's CPUIDs, by its own count, to the last one; it has ended then."""
    pages, ended = pages[:trick.ended], pages[trick.ended]
    labels = set().union(*(labels_of(page, trick.process.pid) for page in pages))
    exits = [page.sum("kvm_exits_total", vm=label) for page in pages for label in labels
             if page.sum("kvm_exits_total", vm=label)]
    if not exits and not ALONE:
        print("not checked here, where no kvm_exit fires: closed descriptors")
        return
    verdict.check(len(labels) == 1 and len(exits) > 5, f"closed descriptors: {labels}")
    rises = all(b > a for a, b in zip(exits[:-2], exits[1:-1]))
    verdict.check(rises, f"its exits rise, from {exits[:1]} to {exits[-1:]}")
    cpuids = sum(ended.sum("kvm_exits_total", vm=label, reason=reason) or 0
                 for label in labels for reason in ("cpuid", "CPUID"))
    verdict.check(cpuids == count, f"{cpuids} of them by CPUID, the guest's own count {count}")
    # Without a name it is not exported in its first seconds.
    vcpus = [page.sum("kvm_vm_vcpus", vm=label) for page in pages for label in labels
             if page.sum("kvm_exits_total", vm=label)]
    verdict.check(set(vcpus) == {1}, f"it has its vCPU all the time: {set(vcpus)}")


def in_child(act):
    """The id of a child that does this."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
        finally:
            os._exit(0)
    return pid


def fork_all_the_time(seconds):
    """Half of its children have its descriptors for a moment, the others to their end."""
    make_vm()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        os.waitpid(in_child(lambda: None), 0)
        os.waitpid(in_child(lambda: os.execv("/bin/true", ["true"])), 0)


class Holders:
    """Descriptors of a vCPU that others have, who can never run it: a VMM's children, and one that was sent them
    by a VMM that ends."""

    def __init__(self):
        self.forks = in_child(lambda: fork_all_the_time(SECONDS + 4))
        self.ours, self.theirs = socket.socketpair()
        self.holder = in_child(self.hold)
        self.sender = in_child(self.send)

    def hold(self):
        socket.recv_fds(self.theirs, 10, 3)
        time.sleep(600)

    def send(self):
        fds = list(make_vm())
        time.sleep(SECONDS)
        socket.send_fds(self.ours, [b"x"], fds)

    def check(self, verdict, exporter, pages):
        known = set().union(*(labels_of(page, self.forks) for page in pages))
        senders = set().union(*(labels_of(page, self.sender) for page in pages))
        strangers = {m.labels["vm"] for page in pages for m in page.samples
                     if m.name == "kvm_vm_info" and m.labels["vm"].startswith("python")}
        strangers -= known | senders | {f"python3-{self.sender}"}
        for pid in self.forks, self.sender:
            os.waitpid(pid, 0)
        verdict.check(len(known) == 1, f"a VMM that forks all the time has one VM: {known}")
        verdict.check(not strangers or not ALONE, f"its children have none: {strangers}")
        gone = exporter.until(lambda page: not labels_of(page, self.forks) and not labels_of(page, self.sender))
        verdict.check(gone, "the VMs of both are gone with them")
        verdict.check(not labels_of(exporter.scrape(), self.holder), "also that whose descriptors another process has")
        os.kill(self.holder, signal.SIGKILL)
        os.waitpid(self.holder, 0)


def check_full_table(verdict, binary):
    """VMs that ended fill the table, for minutes by --vm.linger; then one comes that lives."""
    exporter = Exporter(binary[0], 10173, f"--bpf.max-vcpus={SLOTS}", "--vm.linger=5m")
    short = Trick(binary[1], "short", 4)
    ended = short.report()
    verdict.check(ended > 2 * SLOTS, f"{ended} VMs that ended have slots for {SLOTS} vCPUs")
    trick = Trick(binary[1], "rename", 20)
    page = exporter.until(lambda page: returns(page, labels_of(page, trick.process.pid)) > 0, 15)
    verdict.check(page, "a VM that lives gets a slot of one that ended")
    trick.stop()
    short.stop()
    verdict.check(exporter.stop() == 0, "the exporter ends well")


def check_threads(verdict, binary):
    """A VM of one vCPU, run by many more threads than there are slots."""
    exporter = Exporter(binary[0], 10174, "--bpf.max-vcpus=64", "--vm.linger=5m")
    if not told(exporter.scrape()):
        print("not checked here, where KVM does not tell which vCPU a thread runs: many threads")
        exporter.stop()
        return
    many = Trick(binary[1], "threads", 2)
    count = many.report()
    page = exporter.until(lambda page: labels_of(page, many.process.pid)) or exporter.scrape()
    labels = labels_of(page, many.process.pid)
    got = returns(page, labels, INTERRUPTED)
    verdict.check(count == 400 and got == count, f"{count} threads run one vCPU: {got} returns, of {labels}")
    lost = page.sum("kvm_exporter_events_lost_total", cause="table_full")
    verdict.check(lost == 0, f"they have not taken the room of others: {lost} events are lost")
    if ALONE:
        used = page.sum("kvm_exporter_vcpu_slots", state="used")
        verdict.check(used == 1, f"the vCPU has one slot: {used}")
    trick = Trick(binary[1], "rename")
    page = exporter.until(lambda page: returns(page, labels_of(page, trick.process.pid)) > 0, 15)
    verdict.check(page, "a VM that starts later is counted")
    trick.stop()
    many.stop()
    exporter.stop()


def check_idle_vcpus(verdict, binary):
    """vCPUs that never run, many more than there are slots; then some are restored."""
    exporter = Exporter(binary[0], 10175, f"--bpf.max-vcpus={SLOTS}", "--vm.linger=2s")
    idle = Trick(binary[1], "idle")
    made = idle.report()
    trick = Trick(binary[1], "restore", 4)
    pages, (count,) = watch(exporter, trick)
    check_restore(verdict, until_named(exporter, pages, trick), trick, count)
    check_ended_threads(verdict, exporter, trick)
    if ALONE and told(pages[-1]):
        # The VM before may not have been seen to end yet.
        used = exporter.until(lambda page: page.sum("kvm_exporter_vcpu_slots", state="used") == 4, 15)
        verdict.check(used, "4 vCPUs have 4 slots")
    trick.stop()
    lost = exporter.scrape().sum("kvm_exporter_events_lost_total", cause="map_full")
    verdict.check(lost == 0, f"{lost} entries are lost, beside {made} vCPUs that never run")
    idle.stop()
    exporter.stop()


def seconds_of(page, labels):
    """Of VMs with these labels: with their VMM, and by exits. Nothing is timed where no kvm_exit fires."""
    return [sum(page.sum(name, vm=vm) or 0 for vm in labels)
            for name in ("kvm_userspace_seconds_total", "kvm_exit_handling_seconds_total")]


def check_restore(verdict, pages, trick, count):
    """vCPUs whose timers a thread has restored that runs none of them."""
    labels = set().union(*(labels_of(page, trick.process.pid) for page in pages))
    got = returns(pages[-1], labels)
    verdict.check(len(labels) == 1 and got == count, f"{count} returns of restored vCPUs: {got}")
    arms = {m.labels["vcpu"] for m in pages[-1].samples
            if m.name == "kvm_timer_arms_total" and m.labels["vm"] in labels}
    verdict.check(arms == {"0", "1", "2", "3"}, f"each has its timer: {arms}")


def check_ended_threads(verdict, exporter, trick):
    """vCPUs that are there, but whose threads have ended, are with nobody."""
    labels = labels_of(exporter.scrape(), trick.process.pid)
    seconds, deadline = [-1, seconds_of(exporter.scrape(), labels)[0]], time.monotonic() + 30
    if not ALONE and seconds[-1] == 0:
        print("not checked here, where no kvm_exit fires: the time of ended threads")
        return
    while seconds[-1] != seconds[-2] and time.monotonic() < deadline:
        time.sleep(2)
        seconds.append(seconds_of(exporter.scrape(), labels)[0])
    verdict.check(0 < seconds[-1] == seconds[-2], f"the time with the VMM stands still: {seconds[-2:]}")


def check_replugged(verdict, exporter, pages, trick, first):
    """Nobody has a vCPU from when its thread ends until another begins: it was unplugged."""
    labels = labels_of(pages[-1], trick.process.pid)
    verdict.check(returns(pages[-1], labels) == first, f"{first} returns to the VMM")
    time.sleep(max(pages[trick.ended].start + AWAY - time.monotonic(), 0))
    before, began = seconds_of(exporter.scrape(), labels), time.monotonic()
    trick.process.stdin.write("\n")
    trick.process.stdin.flush()
    both = trick.report()
    page = exporter.until(lambda page: returns(page, labels) == both)
    verdict.check(page and both > first, f"plugged in again, {both - first} more")
    after, most = seconds_of(exporter.scrape(), labels), time.monotonic() - began + 0.5
    if not ALONE and not any(after):
        print("not checked here, where no kvm_exit fires: the time of replugged vCPUs")
    for what, was, now in zip(("its VMM", "its exits"), before, after, strict=True):
        verdict.check(0 <= now - was <= most, f"{what} had it for {now - was:.1f} s more, {most:.1f} at most: not"
                      f" while it was away, {AWAY} s and more")


def check_two_vms(verdict, pages, trick, count):
    """The second VM's returns are nobody else's, from the first page on."""
    if not told(pages[-1]):
        print("not checked here, where KVM does not tell which vCPU a thread runs: two VMs")
        return
    seen = [sorted(returns(page, {label}, INTERRUPTED) for label in labels_of(page, trick.process.pid))
            for page in pages]
    verdict.check(count == 7 and seen[-1] == [0, 7], f"one VM has {count} returns, the other none: {seen[-1]}")
    verdict.check(all(sum(found) <= 7 and (7 in found) == (sum(found) == 7) for found in seen),
                  "and so it was on every page")
    totals = [sum(found) for found in seen]
    verdict.check(totals == sorted(totals), "none steps back")


def check_side_by_side(verdict, binary):
    """VMs that do nothing to each other, on the pages of one exporter."""
    exporter = Exporter(binary[0], 10172, "--vm.linger=2s")
    checks = {"rename": check_rename, "other-process": check_other_process, "orphan": check_orphan,
              "restore": check_restore}
    if TELLS_VM:
        checks["two-vms"] = check_two_vms
    holders = Holders()
    tricks = {name: Trick(binary[1], name) for name in checks}
    replugged = Trick(binary[1], "replug", 2)
    pages, (first, *counts) = watch(exporter, replugged, *tricks.values())
    pages = until_named(exporter, pages, replugged, tricks["rename"], tricks["restore"])
    if TELLS_VM and told(pages[-1]):
        pages.append(exporter.until(lambda page: len(labels_of(page, tricks["two-vms"].process.pid)) == 2) or pages[-1])
    for (name, check), count in zip(checks.items(), counts, strict=True):
        check(verdict, pages, tricks[name], count)
    check_replugged(verdict, exporter, pages, replugged, first)
    check_ended_threads(verdict, exporter, tricks["restore"])
    if told(pages[-1]):
        check_orphan_ends(verdict, exporter, tricks["orphan"])
    holders.check(verdict, exporter, pages)
    for trick in replugged, *tricks.values():
        trick.stop()
    # By itself: its guest takes a whole CPU, and pages in quick succession are looked at.
    closed = Trick(binary[1], "closed")
    pages, (count,) = watch(exporter, closed)
    check_closed(verdict, pages, closed, count)
    closed.stop()
    verdict.check(exporter.stop() == 0, "the exporter ends well")


def main():
    need_kvm()
    verdict = Verdict()
    check_side_by_side(verdict, sys.argv[1:3])
    check_full_table(verdict, sys.argv[1:3])
    check_threads(verdict, sys.argv[1:3])
    check_idle_vcpus(verdict, sys.argv[1:3])
    verdict.end()


main()
