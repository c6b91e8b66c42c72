"""The exporter under test and its scrapes."""

import atexit
import http.client
import os
import pathlib
import subprocess
import tempfile
import time

from metrics import page_lines, parse_metrics
from verdict import on_failure

# Seconds to wait for what must come. An emulated host may be many times slower than this machine.
PATIENCE = 300 if "LAB_ISA" in os.environ else 60


class Scrape:
    """A page, and the moments (monotonic seconds) between which its snapshot was taken."""

    def __init__(self, text, start, end):
        self.text, self.start, self.end = text, start, end
        self.samples = parse_metrics(text)

    def sum(self, name, **labels):
        """The sum of a family's samples with these labels; None if there is none."""
        found = [m.value for m in self.samples
                 if m.name == name and all(m.labels.get(k) == v for k, v in labels.items())]
        return sum(found) if found else None

    def families(self):
        return {line.split()[2] for line in page_lines(self.text) if line.startswith("# TYPE ")}


def process_status(process, field):
    """A number of /proc/PID/status, such as VmRSS (kB) or Threads."""
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise KeyError(field)


class OwnProcess:
    """Figures of `self.process` from /proc."""

    def status(self, field):
        """See process_status()."""
        return process_status(self.process, field)

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


class Exporter(OwnProcess):
    """The exporter as a child process, scraped over one kept-alive connection.

    A snapshot may be one --scrape.min-interval, 1 ms, older than its request. `prefix` is a command
    that runs it, by exec.
    """

    def __init__(self, binary, port, *flags, prefix=()):
        self.port = port
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [*prefix, binary, f"--web.listen-address=127.0.0.1:{port}", "--scrape.min-interval=1ms", *flags],
            stderr=self.log)
        atexit.register(self.stop)
        on_failure.append(self.show_log)
        self.connection = None
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.get("/-/ready")
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.log.seek(0)
                    raise SystemExit(f"FAILED: the exporter did not start:\n{self.log.read()}") \
                        from None
                time.sleep(0.2)

    def get(self, path):
        """An answer's body. A server may close a kept-alive connection at any time: once again."""
        for last in (False, True):
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                self.connection.request("GET", path)
                answer = self.connection.getresponse()
                body = answer.read().decode()
                if answer.status != 200:
                    raise OSError(f"{path}: {answer.status}")
                return body
            except (OSError, http.client.HTTPException) as error:
                self.connection.close()
                self.connection = None
                if last or isinstance(error, ConnectionRefusedError):
                    raise OSError(str(error)) from error
        raise AssertionError

    def scrape(self):
        start = time.monotonic()
        text = self.get("/metrics")
        return Scrape(text, start - 0.001, time.monotonic())

    def until(self, holds, seconds=None):
        """The first scrape of which `holds` is true; None if there is none in all that time."""
        deadline = time.monotonic() + (seconds or PATIENCE)
        while time.monotonic() < deadline:
            page = self.scrape()
            if holds(page):
                return page
            time.sleep(0.2)
        return None

    def show_log(self):
        """The end of its log. Opened anew, for the exporter writes at the position that it shares."""
        log = pathlib.Path(f"/proc/self/fd/{self.log.fileno()}").read_text()
        print(f"log of the exporter on port {self.port}:\n{log[-4000:]}", flush=True)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        return self.process.returncode
