#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does every #include go with the flow of data?

    check_includes.py ROOT

The order of the folders is in exporter/layers.txt. The folders in PURE make no system call and know
neither libbpf nor locks, so they include no such header, nor one of ours that does. Nothing of the
exporter includes a test. Before it looks, the check proves on made-up sources that it finds each of these.
"""

import re
import sys
from pathlib import Path

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)
PURE = {"names", "lifecycle", "diagnosis", "summary", "metrics"}
IMPURE = re.compile(r"bpf/(?!vcpu_slot\.h|listed_vcpu\.h|record_offsets\.h)|sys/|linux/(?!kvm\.h|types\.h)|unistd\.h|fcntl\.h|poll\.h|mutex|shared_mutex"
                    r"|thread|atomic|fstream|filesystem")


def read_layers(path):
    """Folder -> line, from 0."""
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()
             if line and not line.startswith("#")]
    return {folder: level for level, folders in enumerate(lines) for folder in folders}


def folder_of(path):
    """The folder directly below exporter/; "." for its own files, but main.cc is by itself."""
    parts = Path(path).parts
    return parts[1] if len(parts) > 2 or parts[1] == "main.cc" else "."


def complaint(folder, layers, bracket, included):
    """What is wrong with that include in a file of that folder, if anything is."""
    if included.startswith("tests/"):
        return "the exporter knows no test"
    if bracket == "<" or not included.startswith("exporter/"):
        return None
    other = folder_of(included)
    if other == folder:
        return None
    if other not in layers:
        return f"exporter/layers.txt has no {other}"
    if layers[other] >= layers[folder]:
        return f"{other} does not come before {folder} in exporter/layers.txt"
    return None


def impure(name, sources, seen):
    """The headers by which that file comes to one that PURE folders may not have: the last is it."""
    for found in INCLUDE.finditer(sources.get(name, "")):
        included = found[2]
        if IMPURE.match(included):
            return [included]
        if included not in seen:
            seen.add(included)
            if way := impure(included, sources, seen):
                return [included, *way]
    return []


def problems(sources, layers):
    """All that is wrong with these sources, path -> text."""
    for name, text in sorted(sources.items()):
        if not name.startswith("exporter/"):
            continue
        folder = folder_of(name)
        if folder not in layers:
            yield f"{name}: exporter/layers.txt has no {folder}"
            continue
        for found in INCLUDE.finditer(text):
            if why := complaint(folder, layers, found[1], found[2]):
                yield f"{name}:{text.count(chr(10), 0, found.start()) + 1}: includes {found[2]}: {why}"
        if folder in PURE and (way := impure(name, sources, set())):
            yield f"{name}: {folder}/ makes no system call and takes no lock: includes {', then '.join(way)}"


def prove():
    """Fails unless each kind of bad include is found, and nothing else."""
    layers = {"base": 0, "kernel": 1, "metrics": 2, ".": 3}
    sources = {
        "exporter/base/good.h": "#include <string>\n",
        "exporter/kernel/reader.h": '#include <fcntl.h>\n#include "exporter/base/good.h"\n',
        "exporter/kernel/upwards.cc": '#include "exporter/metrics/families.h"\n',
        "exporter/kernel/knows_test.cc": '#include "tests/unit/x.h"\n',
        "exporter/metrics/families.h": '#include "exporter/base/good.h"\n',
        "exporter/metrics/locks.cc": "#include <mutex>\n",
        "exporter/metrics/reads.cc": '#include "exporter/kernel/reader.h"\n',
        "exporter/exporter.cc": '#include "exporter/kernel/reader.h"\n',
    }
    found = {problem.split(":")[0].rpartition("/")[2] for problem in problems(sources, layers)}
    assert found == {"upwards.cc", "knows_test.cc", "locks.cc", "reads.cc"}, found


def main():
    prove()
    root = Path(sys.argv[1])
    sources = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
               for folder in ("exporter", "bpf") for path in (root / folder).rglob("*")
               if path.suffix in (".h", ".cc", ".c")}
    found = list(problems(sources, read_layers(root / "exporter/layers.txt")))
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
