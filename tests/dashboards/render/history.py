# SPDX-License-Identifier: Apache-2.0
"""A Prometheus that holds the made-up fleet, with our rules as it would have evaluated them.

promtool evaluates recording rules over what a Prometheus holds, but not rules that read each other:
so they are taken level by level. It knows nothing of alerts: those are evaluated here, by their
own expressions and `for`.
"""

import contextlib
import itertools
import json
import re
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

import yaml

import fleet

sys.path.insert(0, str(Path(__file__).parents[2] / "rules"))
import promql_names  # noqa: E402

EVERY = 30  # seconds between evaluations
SECONDS = {"s": 1, "m": 60, "h": 3600}


@contextlib.contextmanager
def prometheus(data):
    """Yields its address; what it logs is beside its data."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    config = data.with_suffix(".yml")
    config.write_text("{}\n", encoding="utf-8")
    with data.with_suffix(".log").open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={data}",
             f"--web.listen-address={address}", "--storage.tsdb.retention.time=100y"],
            stdout=log, stderr=log)
        try:
            wait_until_ready(address, process)
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait()


def wait_until_ready(address, process):
    for _ in range(300):
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(f"http://{address}/-/ready", timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("Prometheus does not start: see the log beside its data")


def promtool(*words):
    done = subprocess.run(["promtool", "tsdb", "create-blocks-from", *map(str, words)],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"promtool: {done.stdout}{done.stderr}")


def levels(rules):
    """Recording rules in groups, each of which reads only those before it."""
    todo = {r["record"]: {s.metric for s in promql_names.parse(r["expr"]).selectors} for r in rules}
    while todo:
        ready = [name for name, reads in todo.items() if not reads & (todo.keys() - {name})]
        assert ready, f"rules that read each other in a circle: {sorted(todo)}"
        yield [r for r in rules if r["record"] in ready]
        todo = {name: reads for name, reads in todo.items() if name not in ready}


def record(data, rules):
    for level in levels(rules):
        file = data.with_name("rules.yml")
        groups = {"groups": [{"name": "level", "rules": level}]}
        file.write_text(yaml.safe_dump(groups), encoding="utf-8")
        with prometheus(data) as url:
            promtool("rules", f"--start={fleet.START}", f"--end={fleet.END}", f"--url={url}",
                     f"--eval-interval={EVERY}s", f"--output-dir={data}", file)


def pending(values, seconds):
    """Points of an alert's expression -> times at which it fires: after `for`."""
    since = previous = None
    for when, _ in values:
        if previous is None or when - previous > EVERY:
            since = when
        previous = when
        if when - since >= seconds:
            yield when


def ask(url, expression, when):
    """An instant query: its series."""
    query = urllib.parse.urlencode({"query": expression, "time": when})
    with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=600) as answer:
        return json.load(answer)["data"]["result"]


def line(name, labels, value, when):
    """A sample in OpenMetrics."""
    text = ",".join(f"{k}={json.dumps(v)}" for k, v in labels.items())
    return f"{name}{{{text}}} {value} {when}\n"


def alert_samples(url, rules):
    """`keep_firing_for` is left out: none of the fleet's alerts ends."""
    for rule in rules:
        query = urllib.parse.urlencode({"query": rule["expr"], "start": fleet.START,
                                        "end": fleet.END, "step": EVERY})
        with urllib.request.urlopen(f"{url}/api/v1/query_range?{query}", timeout=60) as answer:
            found = json.load(answer)["data"]["result"]
        length, unit = re.fullmatch(r"(\d+)([smh])", rule.get("for", "0s")).groups()
        for series in found:
            labels = {k: v for k, v in series["metric"].items() if k != "__name__"} | rule["labels"]
            labels |= {"alertname": rule["alert"], "alertstate": "firing"}
            for when in pending(series["values"], int(length) * SECONDS[unit]):
                yield line("ALERTS", labels, 1, when)


def import_text(data, lines):
    file = data.with_name("import.om")
    with file.open("w", encoding="utf-8") as out:
        out.writelines(lines)
        out.write("# EOF\n")
    promtool("openmetrics", file, data)
    file.unlink()


def make(data, rules_directory):
    """Fills the directory `data`."""
    groups = [g for p in sorted(rules_directory.glob("*.yml"))
              for g in yaml.safe_load(p.read_text(encoding="utf-8"))["groups"]]
    rules = [rule for group in groups for rule in group["rules"]]
    import_text(data, itertools.chain(fleet.yesterday(), fleet.samples()))
    record(data, [r for r in rules if "record" in r])
    with prometheus(data) as url:
        import_text(data, list(alert_samples(url, [r for r in rules if "alert" in r])))
