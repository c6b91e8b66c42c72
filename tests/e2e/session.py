"""The exporter under test, its scrapes, and the verdict of a test. For the tests in this folder."""

import atexit
import http.client
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "exact"))
from metrics import parse_metrics  # noqa: E402

# The reader calls no sleep one that is shorter (slot_reader.cc), so a window may begin with so
# much sleep not shown yet, which it then shows.
NOT_SHOWN_YET = 0.010

# Seconds to wait for what must come. On a busy machine the clock of an emulated host may run many
# times too fast; there the lab's own --timeout is what ends a test.
PATIENCE = 7200 if "LAB_ISA" in os.environ else 60


class Verdict:
    """Prints ok and FAILED lines; ends the test with the right status."""

    def __init__(self):
        self.failures = 0

    def check(self, holds, what):
        print(f"{'ok' if holds else 'FAILED'}: {what}", flush=True)
        self.failures += not holds
        return holds

    def end(self):
        print(f"{self.failures} failed", flush=True)
        sys.exit(1 if self.failures else 0)


def skip(why):
    print(f"SKIPPED: {why}", flush=True)
    sys.exit(77)


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
        return {line.split()[2] for line in self.text.splitlines() if line.startswith("# TYPE ")}


def process_status(process, field):
    """A number of /proc/PID/status, such as VmRSS (kB) or Threads."""
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise KeyError(field)


class OwnProcess:
    """What the kernel tells of `self.process`."""

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
            time.sleep(0.1)
        return None

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        return self.process.returncode


class Guests:
    """kvmx-guest processes; none outlives the test."""

    def __init__(self, binary):
        self.binary = binary
        self.running = []
        atexit.register(self.stop)

    def start(self, name, *options):
        process = subprocess.Popen([self.binary, "--qemu-name", name, *map(str, options)],
                                   stdout=subprocess.DEVNULL)
        self.running.append(process)
        return process

    def hold(self, name, *options):
        """With --hold-before: a guest that is ready; go_on() lets it run, and end."""
        process = subprocess.Popen([self.binary, "--qemu-name", name, *map(str, options)],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.running.append(process)
        process.stdout.readline()
        return process

    @staticmethod
    def go_on(process):
        process.stdin.write("\n")
        process.stdin.flush()

    def work(self, process):
        """Lets a held guest run; its report, with --hold-after while its VMs are still there."""
        self.go_on(process)
        return json.loads(process.stdout.readline())

    def run(self, name, *options, timeout=120):
        subprocess.run([self.binary, "--qemu-name", name, *map(str, options)], check=True,
                       stdout=subprocess.DEVNULL, timeout=timeout)

    def stop(self):
        for process in self.running:
            if process.poll() is None:
                process.terminate()
            process.wait(30)
        self.running = []


def map_entries(name):
    """Those of a BPF map: [{"key": [hexadecimal bytes], ...}]."""
    dump = subprocess.run(["bpftool", "--json", "map", "dump", "name", name],
                          stdout=subprocess.PIPE, check=True).stdout
    return json.loads(dump)


def fraction_bounds(first, last, seconds):
    """What share of the time between two scrapes `seconds` are: at least, at most."""
    return seconds / (last.end - first.start), seconds / (last.start - first.end)


def check_halted(verdict, what, scrapes, seconds_of, window, low=0.9, not_shown=NOT_SHOWN_YET):
    """Over every window of at least so many seconds, a vCPU was halted for `low` to all of it.

    A window may begin with up to `not_shown` seconds of sleep that is shown only later. Fails where
    no moment of the snapshots within their requests makes it so.
    """
    lowest, highest, windows = 9.0, 0.0, 0
    for i, first in enumerate(scrapes):
        for last in scrapes[i + 1:]:
            if last.start - first.end < window:
                continue
            windows += 1
            halted = seconds_of(last) - seconds_of(first)
            highest = max(highest, fraction_bounds(first, last, halted - not_shown)[0])
            lowest = min(lowest, fraction_bounds(first, last, halted)[1])
    verdict.check(windows > 0 and lowest >= low and highest <= 1.0,
                  f"{what}: halted {lowest:.4f} to {highest:.4f} of the time over"
                  f" {windows} windows of {window} s and more")
