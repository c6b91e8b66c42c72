#!/usr/bin/env python3
"""prometheus_test.py EXPORTER GUEST: Prometheus scrapes the exporter of this machine.

A guest writes TSC_DEADLINE meanwhile. The page must please promtool, the target must be up, the
rate of writes must arrive, and Prometheus must have nothing to complain of. A second Prometheus, with
native histograms on, asks for protobuf, and must have the same series, and the guest's tick in a
native histogram alone. From Prometheus 3 on a third one makes native histograms of the classic ones
itself, and a fourth one adds the zero that each counter began with. Which Prometheus is tested depends on PATH.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from verdict import need_kvm

EXPORTER = "127.0.0.1:10195"
PROMETHEUS = "127.0.0.1:10194"
NATIVE = "127.0.0.1:10193"  # native histograms are on there
CONVERTING = "127.0.0.1:10241"  # it converts classic ones
CREATED = "127.0.0.1:10244"  # it adds the zero that a counter began with
CONFIG = f"""
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: kvm
    static_configs: [{{targets: ["{EXPORTER}"]}}]
"""
CONVERT = """
    scrape_protocols: [OpenMetricsText1.0.0]
    convert_classic_histograms_to_nhcb: true
"""


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def wait_for(what, seconds, condition):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            value = condition()
            if value:
                print(f"ok: {what}: {value}")
                return value
        except OSError:
            pass
        time.sleep(0.5)
    raise AssertionError(f"{what}: not within {seconds} s")


def query(expression, server=PROMETHEUS):
    """The value of an instant query's first sample, or None."""
    url = f"http://{server}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    result = json.loads(get(url))["data"]["result"]
    return float(result[0]["value"][1]) if result else None


def version():
    """The number before the first dot."""
    done = subprocess.run(["prometheus", "--version"], capture_output=True, text=True, check=True)
    return int(re.search(r"version (\d+)", done.stdout + done.stderr)[1])


def check_page():
    page = get(f"http://{EXPORTER}/metrics")
    done = subprocess.run(["promtool", "check", "metrics"], input=page, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0 and not done.stderr, f"promtool: {done.stdout}{done.stderr}"
    print("ok: promtool has nothing to say of the page")


def check_tick(server, what):
    """The guest's tick of 4 ms, by a native histogram and none of its classic buckets."""
    wait_for(f"{what}: median time between timer programmings", 30, lambda: query(
        'histogram_quantile(0.5, sum(rate(kvm_timer_interval_seconds{vm="storm"}[10s])))'
        " > 0.0036 < 0.006", server))
    assert query('count({__name__=~"kvm_.*_bucket"})', server) is None, "classic buckets are kept, too"


def check_native():
    wait_for("protobuf: TSC_DEADLINE writes a second", 30, lambda: query(
        'sum(rate(kvm_msr_accesses_total{vm="storm",op="write",msr="IA32_TSC_DEADLINE"}[10s]))'
        " > 100", NATIVE))
    check_tick(NATIVE, "protobuf")
    mine, other = (query('count({vm="storm",__name__!~"kvm_timer_interval_seconds.*"})', server)
                   for server in (NATIVE, PROMETHEUS))
    assert mine == other, f"{mine} series by protobuf, {other} by text"
    print(f"ok: the same {mine:.0f} series of the guest both ways, and its histogram")


def check_created():
    """A guest that counted before it was first scraped: none of it is missing in what increase() sees."""
    series = 'kvm_msr_accesses_total{vm="storm",op="write",msr="IA32_TSC_DEADLINE"}'
    wait_for("a counter's zero, before its first scrape", 30, lambda: query(
        f"count_over_time({series}[5m]) > 2 and min_over_time({series}[5m]) == 0", CREATED) is not None)
    assert query(f"min_over_time({series}[5m]) > 0", NATIVE), "the zero is there without created timestamps, too"


class Prometheus:
    """A server of its own, with `flags` and `scraping`, further options of the scrape."""

    def __init__(self, directory, address, *flags, scraping=""):
        config = directory / f"{address}.yml"
        config.write_text(CONFIG + scraping)
        self.log = (directory / f"log-{address}").open("w+")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={config}",
             f"--storage.tsdb.path={directory}/data-{address}", f"--web.listen-address={address}", *flags],
            stdout=self.log, stderr=self.log)

    def check_log(self):
        self.log.seek(0)
        complaints = [line for line in self.log if re.search("level=(warn|error)", line, re.IGNORECASE)]
        assert not complaints, "".join(complaints)
        print("ok: no complaint in Prometheus's log")


def main():
    exporter, guest = sys.argv[1:3]
    need_kvm()
    if not shutil.which("prometheus"):
        sys.exit("prometheus is not installed: apt-get install prometheus")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="kvmx-prometheus-"))
    started = []
    try:
        started.append(subprocess.Popen([exporter, f"--web.listen-address={EXPORTER}"]))
        wait_for("the exporter answers", 20, lambda: get(f"http://{EXPORTER}/-/ready").strip())
        started.append(subprocess.Popen(
            [guest, "--qemu-name", "storm", "--program", "deadline-halt", "--count", "0", "--rate",
             "250", "--vcpus", "2", "--duration", "90"], stdout=subprocess.DEVNULL))
        servers = [Prometheus(directory, PROMETHEUS),
                   Prometheus(directory, NATIVE, "--enable-feature=native-histograms")]
        if version() >= 3:
            servers.append(Prometheus(directory, CONVERTING, "--enable-feature=native-histograms",
                                      scraping=CONVERT))
            servers.append(Prometheus(directory, CREATED, "--enable-feature=native-histograms,"
                                      "created-timestamp-zero-ingestion"))
        started += [server.process for server in servers]
        wait_for("up", 30, lambda: query("up{job='kvm'}"))
        wait_for("TSC_DEADLINE writes a second", 30, lambda: query(
            'sum(rate(kvm_msr_accesses_total{vm="storm",op="write",msr="IA32_TSC_DEADLINE"}[10s]))'
            " > 100"))
        # The guest's tick of 4 ms, read as anyone would.
        wait_for("median time between timer programmings", 30, lambda: query(
            "histogram_quantile(0.5, sum by (le) (rate("
            'kvm_timer_interval_seconds_bucket{vm="storm"}[10s]))) > 0.0036 < 0.006'))
        wait_for("vCPUs", 10, lambda: query('kvm_vm_vcpus{vm="storm"}'))
        check_native()
        if version() >= 3:
            check_tick(CONVERTING, "converted")
            check_created()
        check_page()
        for server in servers:
            server.check_log()
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()
        shutil.rmtree(directory)


main()
