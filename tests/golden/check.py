#!/usr/bin/env python3
"""check.py: what others make of the golden pages.

promtool has nothing to say of the text; prometheus_client's strict parser takes the OpenMetrics
page, with the same series and values; and promtool makes blocks of it, with nothing lost.
"""

import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from strict_parsers import families as parse
from strict_parsers import samples
from verdict import Verdict

HERE = pathlib.Path(__file__).resolve().parent
TIMESTAMP = 1_700_000_000
verdict = Verdict()
check = verdict.check


def promtool(*arguments, given=None):
    return subprocess.run(["promtool", *arguments], input=given, text=True, capture_output=True,
                          check=False)


def with_timestamps(page):
    return "".join(line + "\n" if line.startswith("#") else f"{line} {TIMESTAMP}\n"
                   for line in page.splitlines())


def main():
    plain = (HERE / "metrics.txt").read_text()
    page = (HERE / "openmetrics.txt").read_text()
    linted = promtool("check", "metrics", given=plain)
    check(linted.returncode == 0 and not linted.stdout + linted.stderr,
          f"promtool check metrics {linted.stdout}{linted.stderr}")

    families = parse(page, "application/openmetrics-text")
    found = samples(families)
    check(found == samples(parse(plain, "text/plain")),
          f"{len(found)} series are the same in both formats")
    types = {family.name: (family.type, family.unit) for family in families}
    for name, wanted in {"kvm_exits": ("counter", ""), "kvm_halt_seconds": ("counter", "seconds"),
                         "kvm_exit_latency_seconds": ("histogram", "seconds"),
                         "kvm_vm": ("info", ""), "kvm_exporter_build": ("info", ""),
                         "process_resident_memory_bytes": ("gauge", "bytes")}.items():
        check(types.get(name) == wanted, f"{name}: {types.get(name)}")

    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "page")
        file.write_text(with_timestamps(page))
        made = promtool("tsdb", "create-blocks-from", "openmetrics", str(file), folder + "/blocks")
        check(made.returncode == 0, f"promtool tsdb create-blocks-from {made.stderr}")
        pathlib.Path(folder, "blocks/wal").mkdir()  # or dump refuses
        dumped = promtool("tsdb", "dump", folder + "/blocks").stdout.splitlines()
        check(len(dumped) == len(found), f"{len(dumped)} series in the blocks")
    verdict.end()


main()
