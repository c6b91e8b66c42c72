#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tsc-rate.py: prints the rate of this machine's time stamp counter in kHz, as measured in a fifth of a second.

An emulated CPU's counter is this machine's. A kernel that measures it while other work holds the
emulator up takes it for several times slower, and then its clock runs as much too fast.
"""

import ctypes
import mmap
import time

RDTSC = b"\x0f\x31\x48\xc1\xe2\x20\x48\x09\xd0\xc3"  # rdtsc; shl rdx, 32; or rax, rdx; ret
SECONDS = 0.2


def counter_reader():
    """A function that reads the counter, and what it lives in."""
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(RDTSC)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    return ctypes.CFUNCTYPE(ctypes.c_uint64)(address), page


def reading(read):
    """(ns, counter): of many readings that between whose two looks at the clock least time passed."""
    best = None
    for _ in range(50):
        before, counter, after = time.monotonic_ns(), read(), time.monotonic_ns()
        if best is None or after - before < best[0]:
            best = (after - before, (before + after) / 2, counter)
    return best[1:]


def main():
    read, _page = counter_reader()
    first_ns, first = reading(read)
    time.sleep(SECONDS)
    last_ns, last = reading(read)
    print(round((last - first) / (last_ns - first_ns) * 1e6))


main()
