"""program_sizes_test.py EXPORTER GUEST: what the verifier and the JIT make of each program, per kernel.

In an emulated AMD host, with all collectors: instructions the verifier walked (0 before Linux 5.16),
bytes of the program as the kernel rewrote it, and as machine code. A program that has grown by more
than a tenth over program_sizes.txt fails: find out why, or put the lines that are printed there.
The kernel has nothing to say about them: no line in its log, and it is not tainted.
"""

import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from exporter import Exporter
import libbpf
from verdict import Verdict

FIGURES = ("instructions verified", "bytes", "bytes of machine code")
MAY_GROW = 1.1


def recorded(kernel):
    """Program -> figures."""
    rows = (line.split() for line in (HERE / "program_sizes.txt").read_text().splitlines()
            if line and not line.startswith("#"))
    return {row[1]: tuple(map(int, row[2:])) for row in rows if row[0] == kernel}


def measured():
    """The same, of our programs that are loaded; the listers of vCPUs and threads are loaded besides."""
    return {info.name.decode(): (info.verified_insns, info.xlated_prog_len, info.jited_prog_len)
            for info in libbpf.loaded_programs()
            if info.name.startswith((b"kvm_", b"list_"))}


# What a start could be the cause of, unlike of a clock that an emulator lets jump.
OURS = re.compile("bpf|kvm|trac|probe|taint|WARN|BUG|alloc", re.IGNORECASE)
# Linux 7.x says so once, to whoever looks for tracefs where it was before 4.1. libbpf 1.1 does.
LIBBPF = "Automounting of tracing to debugfs is deprecated"


def kernel_log():
    return subprocess.run(["dmesg"], capture_output=True, text=True, check=True).stdout.splitlines()


def taint():
    return pathlib.Path("/proc/sys/kernel/tainted").read_text().strip()


def main():
    kernel = os.environ["LAB_KERNEL"]
    before, said, tainted = measured(), len(kernel_log()), taint()
    exporter = Exporter(sys.argv[1], 10213)
    sizes, known = measured(), recorded(kernel)
    exporter.stop()
    verdict = Verdict()
    new = [line for line in kernel_log()[said:] if OURS.search(line) and LIBBPF not in line]
    verdict.check(not new, f"the kernel says nothing about them: {new}")
    verdict.check(taint() == tainted, f"and is tainted {taint()} as before ({tainted})")
    verdict.check(not before, f"no other program has such a name {before or ''}")
    verdict.check(sizes.keys() == known.keys(),
                  f"the programs are those that are recorded: {sorted(sizes)}")
    for name, figures in sizes.items():
        grown = [f"{what}: {now}, recorded {then}"
                 for what, now, then in zip(FIGURES, figures, known.get(name, figures))
                 if now > MAY_GROW * then]
        verdict.check(not grown, f"{name} has not grown {'; '.join(grown)}")
    for name, figures in sorted(sizes.items()):
        print(kernel, name, *figures)
    verdict.end()


main()
