"""Prometheus, Alertmanager and a receiver of webhooks beside an exporter, to see what it pages for.

Debian's programs with our own rules and samples. A test cannot wait for a quarter of an hour, so
all times are divided (tests/rules/shorten.py); besides, only addresses are changed. Thresholds are
those that are shipped.
"""

import atexit
import http.server
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "rules"))
from shorten import shorten  # noqa: E402

# The receivers' URLs in the sample begin with this.
SAMPLE_RECEIVER = "http://127.0.0.1:9099"


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def wait_for(what, seconds, condition):
    """The condition's first true value; ends the test if there is none in time."""
    began = time.monotonic()
    while True:
        try:
            value = condition()
        except (OSError, urllib.error.URLError):
            value = None
        if value:
            print(f"ok: {what}, after {time.monotonic() - began:.0f} s", flush=True)
            return value
        if time.monotonic() - began > seconds:
            raise SystemExit(f"FAILED: {what}: not within {seconds} s")
        time.sleep(0.2)


def query(url, expression):
    """{labels as a sorted tuple: value} of an instant query of a server at `url`."""
    answer = json.loads(get(
        f"{url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"))
    return {tuple(sorted(r["metric"].items())): float(r["value"][1])
            for r in answer["data"]["result"]}


class Webhooks:
    """Keeps what Alertmanager posts: [(path, message)], in the order in which it came."""

    def __init__(self):
        self.messages = []
        kept = self.messages

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kept.append((self.path, json.loads(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def alerts(self, path, status):
        """Each alert of that status ever sent there, in order; one sent again is there again."""
        return [alert for to, message in list(self.messages) if to == path
                for alert in message["alerts"] if alert["status"] == status]

    def message(self, path, status, vm):
        """The first message sent there with an alert of that VM and status, or None."""
        return next((m for to, m in list(self.messages) if to == path and
                     any(a["status"] == status and a["labels"].get("vm") == vm
                         for a in m["alerts"])), None)


class Server:
    """A program that serves HTTP on a port of its own, with its log."""

    def __init__(self, directory, name, command, ready):
        self.name, self.log = name, directory / f"{name}.log"
        self.process = subprocess.Popen(command, stdout=self.log.open("w"), stderr=subprocess.STDOUT)
        atexit.register(self.stop)
        try:
            wait_for(f"{name} is ready", 60, lambda: get(ready))
        except SystemExit:
            print(self.log.read_text(), flush=True)
            raise

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)

    def complaints(self):
        return [line for line in self.log.read_text().splitlines()
                if "level=warn" in line or "level=error" in line]


class Alertmanager(Server):
    """Debian's with our routes, whose receivers are `webhooks`; times divided."""

    def __init__(self, directory, name, webhooks, divisor):
        sample = (ROOT / "deploy" / "alertmanager" / "alertmanager.yml").read_text()
        assert sample.count(SAMPLE_RECEIVER) == 2, "the sample's receivers have other URLs"
        config = directory / f"{name}.yml"
        config.write_text(shorten(sample.replace(SAMPLE_RECEIVER, webhooks.url), divisor))
        self.address = f"127.0.0.1:{free_port()}"
        super().__init__(
            directory, name,
            ["prometheus-alertmanager", f"--config.file={config}",
             f"--storage.path={directory}/{name}-data", "--cluster.listen-address=",
             f"--web.listen-address={self.address}"],
            f"http://{self.address}/-/ready")


class Stack:
    """Prometheus and Alertmanager beside one exporter, all times divided by `divisor`."""

    def __init__(self, target, instance, divisor, scrape_interval):
        for program in ("prometheus", "prometheus-alertmanager"):
            if not shutil.which(program):
                raise SystemExit(f"FAILED: no {program}: apt-get install {program}")
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="kvmx-page-"))
        atexit.register(shutil.rmtree, self.directory)
        self.webhooks = Webhooks()
        self.alertmanager = Alertmanager(self.directory, "alertmanager", self.webhooks, divisor)
        self.prometheus = self.start_prometheus(target, instance, divisor, scrape_interval)

    def start_prometheus(self, target, instance, divisor, scrape_interval):
        source = ROOT / "deploy" / "prometheus"
        rules = self.directory / "rules"
        rules.mkdir()
        for path in (source / "rules").glob("*.yml"):
            (rules / path.name).write_text(shorten(path.read_text(), divisor))
        config = yaml.safe_load(shorten((source / "prometheus.yml").read_text(), divisor))
        config["global"]["scrape_interval"] = scrape_interval
        [job] = [j for j in config["scrape_configs"] if j["job_name"] == "kvm-exit-exporter"]
        job["static_configs"] = [{"targets": [target], "labels": {"instance": instance}}]
        config["scrape_configs"] = [job]
        config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [
            self.alertmanager.address]
        file = self.directory / "prometheus.yml"
        file.write_text(yaml.safe_dump(config))
        address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{address}"
        return Server(
            self.directory, "prometheus",
            ["prometheus", f"--config.file={file}", f"--web.listen-address={address}",
             f"--storage.tsdb.path={self.directory}/prometheus-data",
             f"--query.lookback-delta={300_000 // divisor}ms"],
            f"{self.url}/-/ready")

    def query(self, expression):
        return query(self.url, expression)

    def value(self, expression):
        """The value of the only series there is, or None."""
        found = list(self.query(expression).values())
        return found[0] if len(found) == 1 else None

    def own_metric(self, server_url, name):
        """The sum of a metric of Prometheus's or Alertmanager's own page; absent is 0."""
        return sum(float(line.rsplit(" ", 1)[1]) for line in get(f"{server_url}/metrics").splitlines()
                   if line.startswith((f"{name} ", f"{name}{{")))
