#!/usr/bin/env python3
"""cpu_times_test.py EXPORTER GUEST: CPU time, run delay and polls of VMs, against the kernel's own figures.

A guest is stopped, so that nothing moves, and then every figure must be the same to the nanosecond: of each
thread in /proc/PID/task/TID/schedstat, of the whole process, threads that have ended included, by its CPU
clock. On this machine's KVM, or in an emulated host; also by ../exact/without_btf.sh, where figures are those
that /proc shows, so that what a thread had just before its end is missing.
"""

import atexit
import collections
import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from exporter import Exporter
from guests import Guests
from verdict import Verdict, need_kvm, skip

PREFIX = f"cpu-{os.getpid()}-"
# How long KVM polls at most before it sleeps. Only for halts that are shorter it polls at all.
LONGEST_POLL = pathlib.Path("/sys/module/kvm/parameters/halt_poll_ns")
WITHOUT_BTF = "KVMX_WITHOUT_BTF" in os.environ
ALONE = "LAB_ISA" in os.environ  # on this machine others may run VMs, too


def ns(seconds):
    return round((seconds or 0) * 1e9)


def schedstat(pid, of=""):
    """(CPU time, run delay) of each thread whose name begins so, in nanoseconds."""
    return [tuple(map(int, (task / "schedstat").read_text().split()[:2]))
            for task in sorted(pathlib.Path(f"/proc/{pid}/task").iterdir())
            if (task / "comm").read_text().startswith(of)]


def process_clock(pid):
    """CPU time of all threads that a process has or had, in nanoseconds."""
    scheduler = 2  # CPUCLOCK_SCHED of include/linux/posix-timers.h
    return time.clock_gettime_ns((~pid << 3) | scheduler)


def stop(guest):
    """Stops a guest; returns once all its threads stand still."""
    os.kill(guest.pid, signal.SIGSTOP)
    before = None
    while (now := schedstat(guest.pid)) != before:
        before = now
        time.sleep(0.3)


def kinds(page, guest):
    """CPU time by kind of thread of all VMs that a guest's process has, or had: those of one name follow each
    other."""
    vms = {m.labels["vm"] for m in page.samples
           if m.name == "kvm_vm_info" and m.labels["pid"] == str(guest.pid)}
    sums = collections.Counter()
    for m in page.samples:
        if m.name == "kvm_vm_cpu_seconds_total" and m.labels["vm"] in vms:
            sums[m.labels["thread"]] += ns(m.value)
    return sums


def wanted(guest):
    """What a stopped guest's process had in all: from least to most."""
    if WITHOUT_BTF:
        return sum(runtime for runtime, _ in schedstat(guest.pid)), process_clock(guest.pid)
    return process_clock(guest.pid), process_clock(guest.pid)


def settled(exporter, guest):
    """A page that has it; or None."""
    least, most = wanted(guest)
    return exporter.until(lambda page: least <= sum(kinds(page, guest).values()) <= most)


def figures(page, name):
    """(CPU time, run delay) of a VM's vCPUs."""
    return tuple(ns(page.sum(f"kvm_vcpu_{figure}_seconds_total", vm=PREFIX + name))
                 for figure in ("cpu", "run_delay"))


def vcpus_of(page, name):
    return {m.labels["vcpu"] for m in page.samples
            if m.name == "kvm_vcpu_cpu_seconds_total" and m.labels["vm"] == PREFIX + name}


def check_failed_polls(verdict, exporter, guest):
    """KVM's own figure of a stopped guest, once vCPUs are listed; 5.10 does not describe the type that has it."""
    if WITHOUT_BTF or os.uname().release.startswith("5.10."):
        return
    try:
        statistics = pathlib.Path("/sys/kernel/debug/kvm").glob(f"{guest.pid}-*/halt_poll_fail_ns")
        wanted = int(next(statistics).read_text())
    except (StopIteration, PermissionError):
        print("not compared: failed polls, for debugfs is not mounted or may not be read")
        return
    def polled(page):
        return ns(page.sum("kvm_halt_poll_failed_seconds_total", vm=PREFIX + "ticks"))

    got = polled(exporter.until(lambda page: polled(page) == wanted, 20) or exporter.scrape())
    verdict.check(got == wanted and (wanted > 0 or not ALONE),
                  f"it polled in vain for {got} ns, by KVM's statistics for {wanted}")


def poll_for_long():
    """Has KVM poll in halts of 2 ms, too: shorter ones come on busy hosts only."""
    before = LONGEST_POLL.read_text()
    atexit.register(LONGEST_POLL.write_text, before)
    LONGEST_POLL.write_text("5000000")


def check_running(verdict, exporter, guests):
    if ALONE:
        poll_for_long()
    guest = guests.start(PREFIX + "ticks", "--program", "deadline-halt", "--rate", 500, "--count", 0,
                         "--vcpus", 3, "--duration", 600)
    seen = []
    for more in (20_000_000, 40_000_000):
        exporter.until(lambda page, least=more: len(vcpus_of(page, "ticks")) == 3
                       and kinds(page, guest)["vcpu"] > least)
        stop(guest)
        page = settled(exporter, guest)
        if not verdict.check(page, f"CPU time of its threads is its process's: {wanted(guest)} ns, "
                             f"{kinds(page or exporter.scrape(), guest)}"):
            return
        of_threads = [sum(figure) for figure in zip(*schedstat(guest.pid, "CPU "))]
        seen.append((figures(page, "ticks"), of_threads))
        if more == 20_000_000:
            os.kill(guest.pid, signal.SIGCONT)
    got = kinds(page, guest)
    # What a vCPU's thread did before its first event may have been taken for the VMM's.
    early = seen[0][1][0] - seen[0][0][0]
    verdict.check(0 <= early < of_threads[0] / 10,
                  f"all but {early} ns of its vCPUs' threads, at their beginning, are vCPUs'")
    for which, what in enumerate(("CPU time", "run delay")):
        (first, of_first), (second, of_second) = ((s[0][which], s[1][which]) for s in seen)
        verdict.check(0 < second - first == of_second - of_first,
                      f"{what} of vCPUs from then on: {second - first} ns, of {of_second - of_first}")
    verdict.check(figures(page, "ticks")[0] == got["vcpu"], "by vCPU they add up")
    check_failed_polls(verdict, exporter, guest)
    vcpus = vcpus_of(page, "ticks")
    verdict.check(vcpus == {"0", "1", "2"}, f"of vCPUs {sorted(vcpus)}")
    guest.kill()
    guest.wait()  # without BTF a VM is there as long as its process is
    later = exporter.until(lambda page: page.sum("kvm_vm_vcpus", vm=PREFIX + "ticks") is None)
    verdict.check(later and all(kinds(later, guest).get(kind, 0) >= value for kind, value in got.items()),
                  f"they stay when the VM has ended: {later and kinds(later, guest)}, were {got}")


def check_ended_threads(verdict, exporter, guests):
    """A process whose vCPU threads come and go."""
    guest = guests.hold(PREFIX + "repeats", "--hold-before", "--hold-after", "--repeat", 4,
                        "--program", "burn", "--duration", 0.4, "--vcpus", 2)
    last = {}
    for _ in range(4):
        guests.work(guest)
        page = exporter.scrape()
        now = kinds(page, guest)
        verdict.check(all(now.get(kind, 0) >= value for kind, value in last.items()),
                      f"no CPU time steps back: {now}")
        last = now
        guests.go_on(guest)
    stop(guest)
    page = settled(exporter, guest)
    verdict.check(page, f"with threads that ended, CPU time is that of the process: "
                  f"{process_clock(guest.pid)} ns, {kinds(page or exporter.scrape(), guest)}")
    guest.kill()


def main():
    need_kvm()
    if WITHOUT_BTF and not pathlib.Path("/sys/kernel/tracing/events/kvm").exists():
        skip("there is no tracefs, by which the exporter counts where there is no BTF")
    guests, verdict = Guests(sys.argv[2]), Verdict()
    exporter = Exporter(sys.argv[1], 10240 if WITHOUT_BTF else 10219, "--metrics.per-vcpu=all", "--vm.linger=1m")
    check_running(verdict, exporter, guests)
    check_ended_threads(verdict, exporter, guests)
    verdict.end()


main()
