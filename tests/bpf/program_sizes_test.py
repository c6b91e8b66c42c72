"""program_sizes_test.py EXPORTER GUEST: what the verifier and the JIT make of each program, per kernel.

In an emulated AMD host, with all collectors: instructions the verifier walked (0 before Linux 5.16),
bytes of the program as the kernel rewrote it, and as machine code. A program that has grown by more
than a tenth over program_sizes.txt fails: find out why, or put the lines that are printed there.
"""

import os
import pathlib
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
    """The same, of our programs that are loaded; the lister of vCPUs is loaded besides."""
    return {info.name.decode(): (info.verified_insns, info.xlated_prog_len, info.jited_prog_len)
            for info in libbpf.loaded_programs()
            if info.name.startswith((b"kvm_", b"list_vcpus"))}


def main():
    kernel = os.environ["LAB_KERNEL"]
    before = measured()
    exporter = Exporter(sys.argv[1], 10213)
    sizes, known = measured(), recorded(kernel)
    exporter.stop()
    verdict = Verdict()
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
