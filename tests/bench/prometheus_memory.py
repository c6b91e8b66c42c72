#!/usr/bin/env python3
"""prometheus_memory.py BENCH [HOSTS] [MINUTES]: what a series costs a real Prometheus in memory.

Serves the page of `bench --page` as so many hosts, its VMs renamed and its counters rising, to
Debian's Prometheus, which scrapes each every 15 s. Compares with two hosts, so that what Prometheus
takes anyway does not count.
"""

import http.server
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

PAGES, PROMETHEUS = 24, "127.0.0.1:10186"


def rising_pages(page):
    """Pages whose counters each rise by a step of their own, with some noise."""
    lines = page.splitlines()
    steps = [random.randrange(1, 20_000) for _ in lines]
    made = []
    for number in range(PAGES):
        made.append("\n".join(
            re.sub(r" (\d+)(\.\d+)?$", lambda m, i=i: f" {int(m[1]) + number * steps[i]}"
                   f"{m[2] or ''}", line) if "_total{" in line or "_bucket{" in line else line
            for i, line in enumerate(lines)).encode() + b"\n")
    return made


class Handler(http.server.BaseHTTPRequestHandler):
    pages, scrapes = [], {}

    def do_GET(self):  # noqa: N802
        host = self.path.rpartition("/")[2]
        number = self.scrapes[host] = self.scrapes.get(host, -1) + 1
        body = self.pages[number % PAGES].replace(b'vm="', f'vm="{host}-'.encode())
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def config(port, hosts):
    jobs = "".join(f"""
  - job_name: kvm-{i}
    metrics_path: /host{i}
    static_configs: [{{targets: ["127.0.0.1:{port}"], labels: {{instance: "host{i}:10177"}}}}]"""
                   for i in range(hosts))
    return f"global: {{scrape_interval: 15s}}\nscrape_configs:{jobs}\n"


def metric(name):
    with urllib.request.urlopen(f"http://{PROMETHEUS}/metrics", timeout=60) as answer:
        return float(re.search(rf"^{name} (\S+)$", answer.read().decode(), re.M)[1])


def measure(port, hosts, minutes):
    """(series, resident bytes) of a Prometheus that has scraped for so long."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "prometheus.yml")
        file.write_text(config(port, hosts))
        process = subprocess.Popen(
            ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address={PROMETHEUS}", "--log.level=error"])
        try:
            time.sleep(minutes * 60)
            return metric("prometheus_tsdb_head_series"), metric("process_resident_memory_bytes")
        finally:
            process.terminate()
            process.wait()


def main():
    hosts = int(sys.argv[2]) if len(sys.argv) > 2 else 12
    minutes = float(sys.argv[3]) if len(sys.argv) > 3 else 5
    Handler.pages = rising_pages(subprocess.run([sys.argv[1], "--page"], check=True, text=True,
                                                capture_output=True).stdout)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found = [measure(server.server_port, number, minutes) for number in (2, hosts)]
    for series, memory in found:
        print(f"{series:.0f} series: {memory / 1e6:.0f} MB")
    (few, little), (many, much) = found
    print(f"a series: {(much - little) / (many - few):.0f} bytes")


main()
