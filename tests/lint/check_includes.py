#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does every #include go with the flow of data?

    check_includes.py ROOT

The order of the folders is in exporter/layers.txt. The folders in PURE make no system call and know
neither libbpf nor locks, so they include no such header. Nothing of the exporter includes a test.
"""

import re
import sys
from pathlib import Path

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)
PURE = {"names", "diagnosis", "metrics"}
IMPURE = re.compile(r"bpf/(?!vcpu_slot\.h|listed_vcpu\.h)|sys/|linux/(?!kvm\.h)|unistd\.h|fcntl\.h|poll\.h|mutex|shared_mutex"
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
    if folder in PURE and IMPURE.match(included):
        return f"{folder}/ makes no system call and takes no lock"
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


def main():
    root = Path(sys.argv[1])
    layers = read_layers(root / "exporter/layers.txt")
    problems = 0
    for path in sorted((root / "exporter").rglob("*")):
        if path.suffix not in (".h", ".cc", ".c"):
            continue
        name = path.relative_to(root).as_posix()
        folder = folder_of(name)
        if folder not in layers:
            print(f"{name}: exporter/layers.txt has no {folder}")
            problems += 1
            continue
        text = path.read_text(encoding="utf-8")
        for found in INCLUDE.finditer(text):
            if why := complaint(folder, layers, found[1], found[2]):
                print(f"{name}:{text.count(chr(10), 0, found.start()) + 1}: includes {found[2]}: {why}")
                problems += 1
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
