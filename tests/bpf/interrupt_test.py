"""interrupt_test.py OBJECT: is an event told from one of an interrupt that came meanwhile?

A process runs in user mode, calls the kernel, and touches new memory. Timers expire in interrupts of
all that; system calls and faults on memory are its own.
"""

import ctypes
import mmap
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import libbpf
from verdict import Verdict

PROGRAMS = ("timer_expired", "system_call", "page_allocated")
PR_SET_NAME = 15
ENOUGH, SECONDS = 50, 60


def touch(pages):
    with mmap.mmap(-1, pages * mmap.PAGESIZE) as memory:
        for page in range(pages):
            memory[page * mmap.PAGESIZE] = 1


def main():
    programs = libbpf.Programs(sys.argv[1], PROGRAMS)
    counts = libbpf.Array(programs, "counts", 2 * len(PROGRAMS))
    ctypes.CDLL(None).prctl(PR_SET_NAME, b"kvmx-it", 0, 0, 0)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until and min(counts.read()[i] + counts.read()[i + 1] for i in (0, 2, 4)) < ENOUGH:
        sum(range(200_000))  # in user mode
        touch(16)
        os.getppid()
    found = counts.read()
    programs.close()
    verdict = Verdict()
    timers, in_timers = found[0:2]
    calls, in_calls = found[2:4]
    pages, in_pages = found[4:6]
    verdict.check(in_timers >= ENOUGH and timers == 0,
                  f"{in_timers} timers expired in interrupts, {timers} are taken for the task's own")
    verdict.check(calls >= ENOUGH and in_calls == 0,
                  f"{calls} system calls are the task's own, {in_calls} are taken for interrupts")
    # A timer or a network card may need a page, too. A kernel without that note of its memory cgroups (7.x)
    # does not tell a fault of user mode from an interrupt.
    told = b"\0in_user_fault\0" in pathlib.Path("/sys/kernel/btf/vmlinux").read_bytes()
    verdict.check(pages >= ENOUGH and in_pages <= pages / 10 if told else pages + in_pages >= ENOUGH,
                  f"{pages} pages are allocated by the task itself, {in_pages} in interrupts"
                  + ("" if told else "; this kernel does not tell"))
    verdict.end()


main()
