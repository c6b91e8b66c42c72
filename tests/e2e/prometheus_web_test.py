#!/usr/bin/env python3
"""prometheus_web_test.py EXPORTER: Debian's Prometheus and vmagent scrape in every way that there is.

OpenMetrics and text, compressed and not, plain and over TLS with a password; and, by remote write,
Prometheus as an agent and VictoriaMetrics' vmagent. All targets must be up and have the same series.
With a wrong password, none. The exporter with TLS is another one, so it may have been too late for a VM: its
series of VMs are not compared.
"""

import http.server
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from verdict import Verdict
from web_client import TLS, Certificates, WebExporter, users, wait_until

PLAIN, SECURE, PROXY, PROMETHEUS, AGENT, VMAGENT = 10250, 10251, 10252, 10253, 10254, 10255
CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - {{job_name: openmetrics-gzip, static_configs: [{{targets: ["127.0.0.1:{plain}"]}}]}}
  - {{job_name: text, static_configs: [{{targets: ["127.0.0.1:{proxy}"]}}]}}
  - job_name: tls-password
    scheme: https
    tls_config: {{ca_file: {ca}}}
    basic_auth: {{username: prometheus, password: right}}
    static_configs: [{{targets: ["127.0.0.1:{secure}"]}}]
  - job_name: wrong-password
    scheme: https
    tls_config: {{ca_file: {ca}}}
    basic_auth: {{username: prometheus, password: wrong}}
    static_configs: [{{targets: ["127.0.0.1:{secure}"]}}]
  - job_name: some
    params: {{"collect[]": [exits]}}
    static_configs: [{{targets: ["127.0.0.1:{plain}"]}}]
"""
# For those that only pass on what they scrape.
AGENT_CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - {{job_name: {job}, static_configs: [{{targets: ["127.0.0.1:{plain}"]}}]}}
"""
REMOTE_WRITE = f"http://127.0.0.1:{PROMETHEUS}/api/v1/write"


class AsText(http.server.BaseHTTPRequestHandler):
    """Asks the exporter as somebody who only knows text 0.0.4, and no compression."""

    def do_GET(self):
        request = urllib.request.Request(f"http://127.0.0.1:{PLAIN}{self.path}",
                                         headers={"Accept": "text/plain;version=0.0.4"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            body = answer.read()
            self.send_response(200)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *ignored):
        pass


def query(expression):
    """Values of an instant query by job."""
    url = f"http://127.0.0.1:{PROMETHEUS}/api/v1/query?" + urllib.parse.urlencode(
        {"query": expression})
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            result = json.load(answer)["data"]["result"]
    except OSError:
        return {}
    return {sample["metric"].get("job"): float(sample["value"][1]) for sample in result}


def same_series(ways, count):
    """Whether all these jobs have equally many, and the one that asks for some has fewer."""
    found = query(count)
    return len({found.get(way) for way in ways} - {None}) == 1 and found["some"] < found["text"]


def check_targets(verdict):
    ways = ("openmetrics-gzip", "text", "tls-password", "agent", "vmagent")
    up = {**dict.fromkeys(ways, 1), "some": 1, "wrong-password": 0}
    verdict.check(wait_until(lambda: query("up") == up, 60), f"up: {query('up')}")
    count = 'count by (job) ({__name__=~"(kvm|process)_.*"%s})'
    for what, compared, series in (("series", [way for way in ways if way != "tls-password"], count % ""),
                                   ("series of no VM", ways, count % ',vm=""')):
        verdict.check(wait_until(lambda compared=compared, series=series: same_series(compared, series), 30),
                      f"{what}: {query(series)}")
    verdict.check(wait_until(lambda: set(query("kvm_host_info")) == set(ways), 10),
                  "kvm_host_info has one name in all formats, and is not where it is not asked for")


def commands(directory):
    """{name: command} of all that scrapes."""
    def config(name, text):
        (directory / f"{name}.yml").write_text(text)
        return directory / f"{name}.yml"

    def agent_config(job):
        return AGENT_CONFIG.format(job=job, plain=PLAIN)

    remote_write = f"remote_write: [{{url: {REMOTE_WRITE}}}]\n"
    return {
        "prometheus": ["prometheus", f"--config.file={directory}/prometheus.yml",
                       f"--storage.tsdb.path={directory}/data", "--web.enable-remote-write-receiver",
                       f"--web.listen-address=127.0.0.1:{PROMETHEUS}"],
        "agent": ["prometheus", "--enable-feature=agent",
                  f"--config.file={config('agent', agent_config('agent') + remote_write)}",
                  f"--storage.agent.path={directory}/agent", f"--web.listen-address=127.0.0.1:{AGENT}"],
        "vmagent": ["vmagent", f"-promscrape.config={config('vmagent', agent_config('vmagent'))}",
                    f"-remoteWrite.url={REMOTE_WRITE}", f"-remoteWrite.tmpDataPath={directory}/vmagent",
                    f"-httpListenAddr=127.0.0.1:{VMAGENT}", "-remoteWrite.flushInterval=1s"]}


def complaints(log):
    """An agent that is quicker than Prometheus says so, and tries again."""
    levels = ("level=warn", "level=error", "\twarn\t", "\terror\t")
    return [line for line in log.read_text().splitlines()
            if any(level in line for level in levels) and REMOTE_WRITE not in line]


def main():
    verdict = Verdict()
    certificates = Certificates()
    certificates.make("server")
    config = certificates.write("web.yml", TLS % "" + users(prometheus="right"))
    exporters = [WebExporter(sys.argv[1], PLAIN),
                 WebExporter(sys.argv[1], SECURE, f"--web.config.file={config}",
                             tls=certificates.client())]
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", PROXY), AsText)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="kvmx-prometheus-"))
    (directory / "prometheus.yml").write_text(CONFIG.format(
        plain=PLAIN, secure=SECURE, proxy=PROXY, ca=certificates.directory / "ca.crt"))
    running = []
    try:
        for name, command in commands(directory).items():
            with (directory / f"{name}.log").open("w") as log:
                running.append(subprocess.Popen(command, stdout=log, stderr=log))
        check_targets(verdict)
        for name in commands(directory):
            said = complaints(directory / f"{name}.log")
            verdict.check(not said, f"{name} does not complain" + "".join(said))
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(60)
    shutil.rmtree(directory)
    for exporter in exporters:
        exporter.stop()
    verdict.end()


main()
