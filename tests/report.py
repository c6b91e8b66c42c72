#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What tests/run.sh says at its end: how long each part took, what was skipped, and what was not run.

    report.py MODE BUILD [CTEST OPTION...]

Reads BUILD/parts (seconds and name of each part), BUILD/tests.xml (ctest's) and the settings of
BUILD/release. Writes the output of each test that failed to BUILD/failed/NAME.log.
"""

import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

TIERS = ("unit", "static", "native", "lab", "package")
SLOWEST = 15

# A setting, what is tested where it has more than the value that comes by itself, and that value.
ON_DEMAND = [
    ("KVMX_INTEL_KERNELS", "emulated Intel hosts with more kernels", "6.1"),
    ("KVMX_INTEL_STATIC", "the static program on emulated Intel hosts", "OFF"),
    ("KVMX_OLDER_KVM", "KVM with the kvm_exit of 5.11 to 5.16, which is built for it", "OFF"),
    ("KVMX_SERVICE_KERNELS", "the packaged service on more kernels", "6.1"),
    ("KVMX_PACKAGE_SUITES", "the package of another Debian", ""),
    ("KVMX_PACKAGE_SOURCE", "the package built from source", "OFF"),
    ("KVMX_RPM_SERVICE", "the RPM's service", "OFF"),
    ("KVMX_PLAYBOOK", "the Ansible playbook", "OFF"),
    ("KVMX_RENDER", "drawing the dashboards; that their pictures are of these dashboards was checked", "OFF"),
    ("KVMX_MUTANTS", "every rule changed in many ways", "OFF"),
    ("KVMX_SOAK", "the soak, an hour of everything at once, on this machine and in an emulated host", ""),
]


class Test:
    """One test of ctest's JUnit file."""

    def __init__(self, element, labels):
        self.name = element.get("name")
        self.seconds = float(element.get("time") or 0)
        self.status = element.get("status")  # run, fail, notrun or disabled
        self.output = element.findtext("system-out") or ""
        self.tier = next((tier for tier in TIERS if tier in labels.get(self.name, [])), "no tier")
        self.skipped = element.find("skipped") is not None

    def why_skipped(self):
        said = re.findall(r"^SKIPPED: (.*)$", self.output, re.M)
        return said[-1] if said else "it could not be run"


def labels_by_name(build):
    """Test -> its labels, as ctest knows them; its JUnit file does not say."""
    asked = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], check=True,
                           stdout=subprocess.PIPE)
    return {test["name"]: next((p["value"] for p in test.get("properties", []) if p["name"] == "LABELS"), [])
            for test in json.loads(asked.stdout)["tests"]}


def minutes(seconds):
    return f"{int(seconds) // 60:3}:{int(seconds) % 60:02}"


def print_parts(path):
    print("\n== Time, minutes:seconds")
    total = 0
    for line in path.read_text(encoding="utf-8").splitlines():
        seconds, name = line.split(" ", 1)
        total += int(seconds)
        print(f"{minutes(int(seconds))}  {name}")
    print(f"{minutes(total)}  all of it")


def print_tests(tests):
    print("\n== Tests, by tier (several run at a time)")
    for tier in (*TIERS, "no tier"):
        mine = [test for test in tests if test.tier == tier]
        if mine:
            bad = sum(test.status == "fail" for test in mine)
            left = sum(test.skipped for test in mine)
            print(f"{minutes(sum(test.seconds for test in mine))}  {tier}: {len(mine)} tests,"
                  f" {bad} failed, {left} skipped")
    print("\n== The slowest")
    for test in sorted(tests, key=lambda test: -test.seconds)[:SLOWEST]:
        print(f"{minutes(test.seconds)}  {test.name}")


def print_skipped(tests):
    skipped = [test for test in tests if test.skipped]
    if not skipped:
        return
    frame = "#" * 76
    print(f"\n{frame}\n# NOT EVERYTHING WAS TESTED. These could not run here:")
    for test in skipped:
        print(f"# {test.name}: {test.why_skipped()}")
    print(frame)


def print_not_run(mode, cache, options, labels):
    print("\n== Not run")
    if options:
        print(f"All that these options of ctest leave out: {' '.join(options)}")
    if mode == "quick":
        slow = sorted(name for name, found in labels.items() if "slow" in found)
        print(f"What is slow: {', '.join(slow)}")
        print("Emulated hosts and packages: the tiers lab and package. tests/run.sh runs these, too.")
    values = dict(re.findall(r"^(KVMX_\w+):\w+=(.*)$", cache.read_text(encoding="utf-8"), re.M))
    left = [(name, what) for name, what, alone in ON_DEMAND if values.get(name, alone) in ("", alone)]
    for name, what in left:
        print(f"On demand, {what} ({name})")
    if left:
        print("tests/run.sh --full runs all of these.")


def keep_failed(tests, folder):
    shutil.rmtree(folder, ignore_errors=True)
    failed = [test for test in tests if test.status == "fail"]
    if not failed:
        return
    folder.mkdir()
    print("\n== FAILED; what each printed is there")
    for test in failed:
        log = folder / (re.sub(r"[^\w.-]", "_", test.name) + ".log")
        log.write_text(test.output, encoding="utf-8")
        print(log)


def main():
    mode, build = sys.argv[1], Path(sys.argv[2])
    tests, labels = [], labels_by_name(build)
    if (build / "tests.xml").exists():
        tests = [Test(each, labels) for each in xml.parse(build / "tests.xml").getroot().iter("testcase")]
    print_parts(build / "parts")
    print_tests(tests)
    print_not_run(mode, build / "release/CMakeCache.txt", sys.argv[3:], labels)
    print_skipped(tests)
    keep_failed(tests, build / "failed")
    if stray := [test.name for test in tests if test.tier == "no tier"]:
        print(f"FAILED: these tests have no tier: {', '.join(stray)}")
        return 1
    return 0 if tests else 1


if __name__ == "__main__":
    sys.exit(main())
