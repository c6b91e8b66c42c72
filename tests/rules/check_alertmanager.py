#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does the sample configuration send each alert to whom it should, and hold back what it should? Is what has one cause one message?

    check_alertmanager.py ALERTMANAGER.yml RULES_DIR

Routes are asked of amtool. Inhibition is not something amtool can test, so an Alertmanager is run
for a few seconds on the loopback interface and given alerts; without one installed that part fails.
"""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import yaml

RECEIVER = {"critical": "pager", "warning": "tickets", "info": "nobody"}
AT = {"job": "kvm-exit-exporter", "instance": "kvm-01:10177", "vm": "storm"}

# (what, alert, severity, labels that differ from AT (None: not there), is it inhibited?), all of
# them firing at once.
HOST = {"vm": None}
ELSEWHERE = {"instance": "kvm-02:10177"}
# A VM with a uuid, whose page has no instance.
UUID = {"vm": "moves", "uuid": "1111-2222"}
PLAIN = {"vm": "plain"}
TICKS = {"instance": "kvm-03:10177"}
CASES = [
    ("the storm itself", "KvmTimerStorm", "critical", {}, False),
    ("its idle tick", "KvmGuestIdleTick", "warning", {}, True),
    ("its MSRs", "KvmMsrStorm", "warning", {}, True),
    ("its exits", "KvmExitRateHigh", "warning", {}, True),
    ("its polling", "KvmHaltPollWaste", "warning", {}, True),
    ("its returns to the VMM", "KvmUserspaceExitStorm", "warning", {}, False),
    ("exits of another guest", "KvmExitRateHigh", "warning", {"vm": "db"}, False),
    ("exits of its namesake elsewhere", "KvmExitRateHigh", "warning", ELSEWHERE, False),
    ("a storm that moves", "KvmTimerStorm", "critical", UUID | {"instance": None}, False),
    ("its exits here", "KvmExitRateHigh", "warning", UUID, True),
    ("its exits there", "KvmExitRateHigh", "warning", UUID | ELSEWHERE, True),
    ("its anomaly", "KvmExitRateAnomaly", "info", UUID | {"uuid": None}, False),
    ("its name, another uuid", "KvmExitRateHigh", "warning", UUID | {"uuid": "3333"}, False),
    ("the host, critical", "KvmHostExitOverheadHigh", "critical", HOST, False),
    ("the host, warning", "KvmHostExitOverheadHigh", "warning", HOST, True),
    ("another host", "KvmHostExitOverheadHigh", "warning", HOST | ELSEWHERE, False),
    ("a guest's tick, warning", "KvmGuestIdleTick", "warning", PLAIN, False),
    ("a guest's tick, info", "KvmGuestIdleTick", "info", PLAIN, True),
    ("a host of guests that tick", "KvmHostIdleWakeups", "warning", HOST | TICKS, False),
    ("one of them", "KvmGuestIdleTick", "warning", PLAIN | TICKS, True),
    (
        "no exporter in cluster b",
        "KvmExporterAbsent",
        "critical",
        HOST | {"job": None, "instance": None, "cluster": "b"},
        False,
    ),
    ("one of cluster b", "KvmExporterDown", "warning", HOST | {"cluster": "b"}, True),
    ("one of cluster a", "KvmExporterDown", "warning", HOST | {"cluster": "a"}, False),
    ("somebody else's warning", "NodeDown", "warning", {}, False),
]


# Forty hosts, of which each has a guest of one bad image.
IMAGE = [
    {"alertname": "KvmTimerStorm", "severity": "critical", "job": "kvm-exit-exporter"}
    | {"instance": f"kvm-{n}:10177", "vm": f"of-image-{n}"}
    for n in range(40)
]


def check_routes(config, rules_dir):
    failed = 0
    alerts = {("NotOurs", None)}
    for path in Path(rules_dir).glob("*.yml"):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    alerts.add((rule["alert"], rule["labels"]["severity"]))
    for name, severity in sorted(alerts, key=str):
        receiver = RECEIVER.get(severity, "tickets")
        labels = [f"alertname={name}"] + ([f"severity={severity}"] if severity else [])
        command = ["amtool", "config", "routes", "test", f"--config.file={config}"]
        run = subprocess.run(
            command + [f"--verify.receivers={receiver}"] + labels, capture_output=True, text=True
        )
        if run.returncode != 0:
            failed += 1
            print(f"{name} {severity}: expected {receiver}: {run.stdout}{run.stderr}".strip())
    print(f"{len(alerts) - failed} of {len(alerts)} routes")
    return failed


def request(url, body=None):
    data = json.dumps(body).encode() if body is not None else None
    made = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(made, timeout=5) as answer:
        return json.loads(answer.read() or b"null")


def alert_labels(case):
    _, alert, severity, over, _ = case
    labels = AT | {"alertname": alert, "severity": severity} | over
    return {k: v for k, v in labels.items() if v is not None}


def ask(base):
    """Posts all alerts at once and returns what Alertmanager says of each, by its labels.

    Its inhibitor sees alerts a moment after they have come: asked until all is as expected, or in
    vain.
    """
    deadline = time.monotonic() + 60
    while True:
        try:
            request(f"{base}/api/v2/status")
            break
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    labels = [alert_labels(case) for case in CASES] + IMAGE
    request(f"{base}/api/v2/alerts", [{"labels": each} for each in labels])
    while True:
        found = request(f"{base}/api/v2/alerts?inhibited=true&active=true")
        inhibited = {frozenset(a["labels"].items()): a["status"]["inhibitedBy"] for a in found}
        groups = request(f"{base}/api/v2/alerts/groups?receiver=pager")
        done = not unexpected(inhibited) and notifications(groups) == [len(IMAGE)]
        if done or time.monotonic() > deadline:
            return inhibited, groups
        time.sleep(0.2)


def notifications(groups):
    """Of each message that pages for the image, how many of its alerts it has."""
    ours = [[a for a in group["alerts"] if a["labels"] in IMAGE] for group in groups]
    return [len(alerts) for alerts in ours if alerts]


def unexpected(inhibited):
    """Cases that are not what they should be, each with the alerts that inhibit it."""
    said = [(case, inhibited.get(frozenset(alert_labels(case).items()))) for case in CASES]
    return [(case, by) for case, by in said if by is None or bool(by) != case[-1]]


def check_inhibition(config):
    binary = shutil.which("alertmanager") or shutil.which("prometheus-alertmanager")
    if not binary:
        print("no alertmanager on PATH: install prometheus-alertmanager")
        return 1
    with socket.socket() as free, tempfile.TemporaryDirectory() as storage:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        free.close()
        with open(f"{storage}/log", "w+", encoding="utf-8") as log:
            process = subprocess.Popen(
                [binary, f"--config.file={config}", f"--storage.path={storage}"]
                + [f"--web.listen-address={address}", "--cluster.listen-address="],
                stdout=log,
                stderr=log,
            )
            try:
                inhibited, groups = ask(f"http://{address}")
            except OSError as error:
                log.seek(0)
                print(f"alertmanager does not answer: {error}\n{log.read()}")
                return 1
            finally:
                process.terminate()
                process.wait()
    wrong = unexpected(inhibited)
    for case, by in wrong:
        print(f"{case[0]}: inhibited by {by}, expected {case[-1]}")
    print(f"{len(CASES) - len(wrong)} of {len(CASES)} cases of inhibition")
    pages = notifications(groups)
    print(f"{len(pages)} message for one image on {sum(pages)} hosts")
    return len(wrong) + (pages != [len(IMAGE)])


def main():
    config, rules_dir = sys.argv[1:3]
    return 1 if check_routes(config, rules_dir) + check_inhibition(config) else 0


if __name__ == "__main__":
    sys.exit(main())
