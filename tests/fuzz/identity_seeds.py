#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""identity_seeds.py CASES SEEDS: the cases of tests/fixtures/identity as seeds of the fuzzers.

Writes SEEDS/command_line, SEEDS/cgroup and SEEDS/libvirt_status, a file a case.
"""

import pathlib
import re
import shutil
import sys


def cases(directory):
    """Each case as a list of (key, value)."""
    for path in sorted(directory.glob("*.txt")):
        for text in path.read_text(encoding="utf-8").split("\ncase: ")[1:]:
            lines = re.sub(r"\n {4}", " ", "case: " + text).splitlines()
            yield [line.split(": ", 1) for line in lines if ": " in line]


def values(case, key):
    return [value for name, value in case if name == key]


def words(text):
    """As split_quoted() in tests/unit/identity_corpus_test.cc."""
    return [quoted if plain == "" else plain
            for quoted, plain in re.findall(r'"(.*?)"(?= |$)|(\S+)', text)]


def main(source, target):
    shutil.rmtree(target, ignore_errors=True)
    for name in ("command_line", "cgroup", "libvirt_status"):
        (target / name).mkdir(parents=True)
    count = 0
    for count, case in enumerate(cases(source), 1):
        program = "".join(value + "\n" for key in ("exe", "comm") for value in values(case, key) or [""])
        command_line = "".join(word + "\0" for text in values(case, "argv") for word in words(text))
        seed = (program + command_line).encode()
        (target / f"command_line/{count}").write_bytes(seed)
        groups = values(case, "cgroup") + values(case, "thread-cgroup") + values(case, "pod-directory")
        (target / f"cgroup/{count}").write_text("\n".join(groups) + "\n", encoding="utf-8")
    if count == 0:
        sys.exit(f"no cases in {source}")
    for path in (source / "status").glob("*.xml"):
        shutil.copy(path, target / "libvirt_status")


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
