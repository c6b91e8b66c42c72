#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What does a fleet take of one Prometheus?  measure.py SIMULATOR [OPTION...], see --help

Debian's Prometheus scrapes a simulated fleet, with our rules and our sample of a scrape, for so many minutes.
Guests migrate, come and go and exporters restart meanwhile; one guest in a hundred hosts begins to storm a
third of the way. Then, without scrapes, so that nothing else counts: each rule is evaluated once, and each query of the
dashboards is asked as Grafana would, everything selected, for the last hour. Prints JSON, and what stands out.

CPU times are Prometheus's own, so a busy machine does not lengthen them. Needs some 3 kB of memory for each
series; --most-memory ends it before it takes a machine's that others use.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "lib"))
from alerting import free_port  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PROMETHEUS = ROOT / "deploy/prometheus"
PORT, ADDRESS = free_port(), f"127.0.0.1:{free_port()}"
URL = f"http://{ADDRESS}"
GIB = 2**30
# Prometheus' own default of --query.max-samples.
MOST_SAMPLES = 50_000_000
CHURN = ["--migrate-every=1800", "--churn-every=3600", "--restart-every=7200"]


def options():
    parser = argparse.ArgumentParser(description="Measures a Prometheus of a simulated fleet.")
    parser.add_argument("simulator")
    parser.add_argument("--hosts", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=12)
    parser.add_argument("--per-vcpu", default="none")
    parser.add_argument("--interval", default="15s", help="between scrapes")
    parser.add_argument("--native", action="store_true", help="native histograms")
    parser.add_argument("--rules", type=pathlib.Path, default=PROMETHEUS / "rules")
    parser.add_argument("--most-memory", type=float, default=9, help="GiB")
    return parser.parse_args()


def get(path, seconds=600, url=URL):
    with urllib.request.urlopen(url + path, timeout=seconds) as answer:
        return answer.read().decode()


def api(path, **parameters):
    return json.loads(get(f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}"))["data"]


def own(name):
    """{labels: value} of Prometheus' own page."""
    return {m[1] or "": float(m[2]) for m in re.finditer(rf"^{name}(\{{.*\}})? (\S+)$", get("/metrics"), re.M)}


def cpu_of(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def peak_of(pid):
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) * 1024


class Run:
    """A program for as long as the block lasts."""

    def __init__(self, command, log):
        self.command, self.log = command, log

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=self.log.open("a"), stderr=subprocess.STDOUT)
        return self.process

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def wait_until_ready(url, process, seconds=900):
    began = time.monotonic()
    while process.poll() is None and time.monotonic() - began < seconds:
        try:
            get("/-/ready", 5, url)
            return
        except OSError:
            time.sleep(0.5)
    raise SystemExit(f"{url} is not there")


def prometheus(directory, config, native=False):
    file = directory / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    features = ["--enable-feature=native-histograms"] if native else []
    return Run(["prometheus", f"--config.file={file}", f"--web.listen-address={ADDRESS}",
                f"--storage.tsdb.path={directory}/data", "--query.timeout=20m", *features], directory / "prometheus.log")


def fleet_config(chosen, directory, size):
    config = yaml.safe_load((PROMETHEUS / "scrape-file-sd.yml").read_text())
    config["rule_files"] = [str(chosen.rules.resolve() / "kvm-*.yml")]
    config["global"]["scrape_interval"] = chosen.interval
    [job] = config["scrape_configs"]
    job["params"] = {"per_vcpu": [chosen.per_vcpu]}
    listed = subprocess.run([*size, "--file-sd"], check=True, capture_output=True, text=True)
    (directory / "kvm-hosts.yml").write_text(listed.stdout)
    job["file_sd_configs"] = [{"files": [f"{directory}/kvm-*.yml"]}]
    return config


def watch(process, until, most):
    """Until then; False once it takes more memory than it may."""
    while time.time() < until:
        time.sleep(2)
        if process.poll() is not None:
            raise SystemExit("Prometheus has ended")
        if peak_of(process.pid) > most * GIB:
            return False
    return True


def rule_groups():
    found = {}
    for group in api("rules")["groups"]:
        found[group["name"]] = {
            "interval_seconds": group["interval"], "evaluation_seconds": round(group["evaluationTime"], 3),
            "rules": len(group["rules"])}
    missed = own("prometheus_rule_group_iterations_missed_total")
    for labels, value in missed.items():
        name = re.search(r';([\w-]+)"', labels)[1]
        found[name]["missed"] = value
    return found


def delays(storm_began):
    """Seconds from a storm's beginning until its alert fired; none of a storm that is still to come."""
    if storm_began > time.time():
        return []
    found = [float(s["values"][0][0]) - storm_began for s in api(
        "query_range", query='ALERTS{alertname="KvmTimerStorm",alertstate="firing"}',
        start=storm_began, end=time.time(), step=5)["result"]]
    return sorted(found)


def page_bytes(per_vcpu):
    sizes = {}
    for name, headers in (("plain", {}), ("gzip", {"Accept-Encoding": "gzip"})):
        request = urllib.request.Request(
            f"http://127.0.0.1:{PORT}/host/0000/metrics?per_vcpu={per_vcpu}", headers=headers)
        with urllib.request.urlopen(request) as answer:
            sizes[name] = len(answer.read())
    return sizes


def live(chosen, directory, size):
    """The fleet while it is scraped."""
    config = fleet_config(chosen, directory, size)
    seconds = chosen.minutes * 60
    storm_after = seconds / 3
    storms = [f"--storms={max(1, chosen.hosts // 100)}", f"--storm-after={storm_after}"]
    with Run([*size, *storms, *CHURN], directory / "simulator.log") as simulator:
        wait_until_ready(f"http://127.0.0.1:{PORT}", simulator)
        storm_began = time.time() + storm_after
        with prometheus(directory, config, chosen.native) as process:
            wait_until_ready(URL, process)
            fits = watch(process, time.time() + seconds / 2, chosen.most_memory)
            began, cpu, load = time.time(), cpu_of(process.pid), cpu_of(simulator.pid)
            fits = fits and watch(process, began + seconds / 2, chosen.most_memory)
            lasted = time.time() - began
            [scraped] = api("query", query="sum(scrape_samples_scraped)")["result"]
            samples = float(scraped["value"][1])
            found = {
                "hosts": chosen.hosts, "per_vcpu": chosen.per_vcpu, "native": chosen.native,
                "interval": chosen.interval, "minutes": chosen.minutes, "fits": fits,
                "series": own("prometheus_tsdb_head_series")[""],
                "up": len(api("query", query="up == 1")["result"]),
                "samples_a_second": round(samples / seconds_of(chosen.interval)),
                "resident_bytes": own("process_resident_memory_bytes")[""], "peak_bytes": peak_of(process.pid),
                "cpus": round((cpu_of(process.pid) - cpu) / lasted, 3),
                "simulator_cpus": round((cpu_of(simulator.pid) - load) / lasted, 3),
                "page": page_bytes(chosen.per_vcpu), "groups": rule_groups(), "alert_delays": delays(storm_began)}
            return found, time.time() - 5


def seconds_of(duration):
    return int(duration[:-1]) * {"s": 1, "m": 60}[duration[-1]]


def cost_of(process, ask):
    """(CPU seconds, what it returns)."""
    before = cpu_of(process.pid)
    answer = ask()
    return cpu_of(process.pid) - before, answer


def measure_rules(process, chosen, when):
    """What one evaluation of each rule takes, and all of them a second."""
    total, each = 0, []
    for path in sorted(chosen.rules.glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            every = seconds_of(group.get("interval", "30s"))
            for rule in group["rules"]:
                # The least of three: the first reads from disk, and any may be the one that collects garbage.
                tried = [cost_of(process, lambda rule=rule: api("query", query=rule["expr"], time=when))
                         for _ in range(3)]
                cpu, data = min(tried, key=lambda t: t[0])
                total += cpu / every
                each.append({"rule": rule.get("record") or rule["alert"], "group": group["name"],
                             "cpu_seconds": round(cpu, 2), "series": len(data["result"])})
    return {"cpus": round(total, 3), "each": sorted(each, key=lambda r: -r["cpu_seconds"])}


def dashboard_queries():
    """(dashboard: panel, query, whether over a range)."""
    for path in sorted((ROOT / "dashboards").glob("*.json")):
        board = json.loads(path.read_text())
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                yield f"{path.stem}: {panel['title']}", target["expr"], not target.get("instant")


def all_selected(expression, interval):
    """With every job, host and guest, and Grafana's own intervals for a panel of an hour."""
    rate = f"{max(60, 4 * seconds_of(interval))}s"
    for name, value in {"$__rate_interval": rate, "$__range": "1h", "$__interval": "30s"}.items():
        expression = expression.replace(name, value)
    return re.sub(r"\$\{?\w+\}?", ".+", expression)


def measure_dashboards(process, chosen, when):
    """What each query takes, most samples first."""
    found = []
    for where, expression, ranged in dashboard_queries():
        query = all_selected(expression, chosen.interval)
        times = {"start": when - 3600, "end": when, "step": 30} if ranged else {"time": when}

        def ask(query=query, times=times, ranged=ranged):
            try:
                return api("query_range" if ranged else "query", query=query, stats="all", **times)
            except urllib.error.HTTPError as error:
                return {"error": error.read().decode()[:200]}
        cpu, data = cost_of(process, ask)
        samples = data.get("stats", {}).get("samples", {}).get("peakSamples", 0)
        found.append({"panel": where, "cpu_seconds": round(cpu, 2), "peak_samples": samples,
                      "error": data.get("error", ""), "query": query})
    return sorted(found, key=lambda q: (not q["error"], -q["peak_samples"]))


def main():
    chosen = options()
    with tempfile.TemporaryDirectory(prefix="kvmx-fleet-") as temporary:
        directory = pathlib.Path(temporary)
        size = [chosen.simulator, f"--hosts={chosen.hosts}", f"--listen=127.0.0.1:{PORT}"]
        found, when = live(chosen, directory, size)
        print(json.dumps(found, indent=1), file=sys.stderr, flush=True)
        with prometheus(directory, {}, chosen.native) as process:
            wait_until_ready(URL, process)
            found["rules"] = measure_rules(process, chosen, when)
            print(json.dumps(found["rules"], indent=1), file=sys.stderr, flush=True)
            found["dashboards"] = measure_dashboards(process, chosen, when)
        print(json.dumps(found, indent=1), flush=True)
    worst = found["dashboards"][0]
    print(f"{found['series']:.0f} series, {found['resident_bytes'] / found['series']:.0f} bytes each, "
          f"{found['cpus']} CPUs, rules {found['rules']['cpus']}; slowest rule {found['rules']['each'][0]}; "
          f"most samples {worst['peak_samples']} of {MOST_SAMPLES}: {worst['panel']}", file=sys.stderr)
    for query in found["dashboards"]:
        if query["error"]:
            print(f"{query['panel']}: {query['error']}", file=sys.stderr)


main()
