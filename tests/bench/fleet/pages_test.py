#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pages_test.py SIMULATOR: its pages are those of an exporter

Each family of the contract is there, with its labels and no other; guests have one name each, and counters of
one guest and one exporter never step back while guests come, go and migrate and exporters restart.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/lib"))
sys.path.insert(0, str(ROOT / "tests/rules"))
from alerting import Server, free_port  # noqa: E402
import check_rules  # noqa: E402
from verdict import Verdict  # noqa: E402

HOSTS = 4
SAMPLE = re.compile(r'^(\w+)\{vm="([^"]+)"(.*)\} (\S+)$', re.M)
# Not of every exporter: opt-in, and made by Prometheus.
NOT_THERE = {"kvm_events_total", "up"}


def page(port, host, query=""):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/host/{host:04}/metrics{query}", timeout=60) as answer:
        return answer.read().decode()


def check_families(verdict, port, directory):
    text = page(port, 0, "?per_vcpu=counts")
    file = directory / "page"
    file.write_text(text)
    checked = subprocess.run([sys.executable, ROOT / "tests/rules/check_output.py", file], capture_output=True, text=True)
    verdict.check(checked.returncode == 0, f"its families, types and labels are the contract's: {checked.stdout}")
    there = set(re.findall(r"^# TYPE (\w+)", text, re.M))
    wanted = {re.sub(r"_(bucket|sum|count)$", "", name) for name in check_rules.load_contract()[0]} - NOT_THERE
    verdict.check(wanted <= there, f"every family is there, {sorted(wanted - there)} excepted")
    sums = {name for name in there if name.startswith("kvm_")}
    none = set(re.findall(r"^# TYPE (kvm_\w+)", page(port, 0), re.M))
    verdict.check(none == sums and "vcpu=" not in page(port, 0), "without vCPUs there are the same families")


def counters(text):
    """{(exporter's start, guest's start, series): value} of counters."""
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)", text, re.M))
    exporter = re.search(r"^process_start_time_seconds (\S+)", text, re.M)[1]
    starts = {vm: value for name, vm, _, value in SAMPLE.findall(text) if name == "kvm_vm_start_time_seconds"}
    found = {}
    for name, vm, labels, value in SAMPLE.findall(text):
        if kinds.get(name, "histogram") != "gauge":
            key = exporter, starts[vm], name, vm, labels
            assert key not in found, key
            found[key] = float(value)
    return found


def check_counters(verdict, port):
    last, seen, backwards, compared = [{}] * HOSTS, set(), [], 0
    until = time.monotonic() + 6
    while time.monotonic() < until:
        for host in range(HOSTS):
            now = counters(page(port, host))
            backwards += [(k, last[host][k], v) for k, v in now.items() if last[host].get(k, 0) > v]
            compared += len(now.keys() & last[host].keys())
            seen |= {(host, key[0], key[3]) for key in now}
            last[host] = now
    verdict.check(not backwards and compared > 10_000, f"of {compared} counters {backwards[:3]} step back")
    guests = {vm for _, _, vm in seen}
    verdict.check(len({start for _, start, _ in seen}) > HOSTS, "exporters restart")
    verdict.check(any(vm.startswith("job-") for vm in guests), "guests come and go")
    travels = {host for host, _, vm in seen if vm == "vm-0000-09"}
    verdict.check(len(travels) > 1, f"a guest travels over {len(travels)} hosts")


def simulator(directory, port, *options):
    return Server(directory, "simulator", [
        sys.argv[1], f"--hosts={HOSTS}", "--guests=10", "--vcpus=4", f"--listen=127.0.0.1:{port}", *options],
        f"http://127.0.0.1:{port}/-/ready")


def main():
    verdict, port = Verdict(), free_port()
    with tempfile.TemporaryDirectory() as temporary:
        directory = pathlib.Path(temporary)
        server = simulator(directory, port)
        check_families(verdict, port, directory)
        server.stop()
        server = simulator(directory, port, "--storms=1", "--migrate-every=3", "--churn-every=2", "--restart-every=4")
        check_counters(verdict, port)
        server.stop()
        verdict.check(server.process.returncode == 0, "it ends well")
    verdict.end()


main()
