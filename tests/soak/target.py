"""The exporter that a soak is about: it is killed and started again, with what it counts pinned."""

import contextlib
import http.client
import pathlib
import signal
import subprocess
import tempfile
import threading
import time

from exporter import PATIENCE, OwnProcess, Scrape
from verdict import on_failure
from web_client import basic, users

PINS = pathlib.Path("/sys/fs/bpf/kvmx-soak")
USER, PASSWORD = "soak", "a password"
# A start takes half a minute of a CPU's time in an emulated host, and that may get a tenth of a CPU. One that
# fails ends, and one that hangs is ended with the test.
STARTS_WITHIN = 6 * PATIENCE


class Target(OwnProcess):
    """Safe to use from several threads. `generation` counts its starts; `up` says whether it should answer."""

    def __init__(self, binary, port, *flags):
        self.port, self.generation, self.up = port, 0, False
        self.headers = {"Authorization": basic(USER, PASSWORD).split(": ", 1)[1]}
        self.directory = tempfile.TemporaryDirectory()
        self.config = pathlib.Path(self.directory.name, "web.yml")
        self.log = tempfile.TemporaryFile("w+")
        on_failure.append(self.show_log)
        self.lock = threading.Lock()
        self.command = [binary, f"--web.listen-address=127.0.0.1:{port}", f"--bpf.pin-dir={PINS}",
                        "--scrape.min-interval=1ms", f"--web.config.file={self.config}", *flags]
        self.process = None
        self.start()

    def write_config(self, more=""):
        """In one step, as whoever deploys it should; the password's hash is another one each time."""
        new = self.config.with_suffix(".new")
        new.write_text(users(cost=4, **{USER: PASSWORD}) + more)
        new.rename(self.config)

    def start(self):
        """With a good configuration: it rightly would not start with another."""
        with self.lock:
            self.write_config()
            self.process = subprocess.Popen(self.command, stderr=self.log)
            self.generation += 1
            deadline = time.monotonic() + STARTS_WITHIN
            while not self.answers():
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.show_log()
                    raise SystemExit("FAILED: the exporter did not start")
                time.sleep(0.1)
            self.up = True

    def answers(self):
        try:
            return self.get("/-/ready")[0] == 200
        except OSError:
            return False

    def end(self, how):
        """Ends it by a signal; its exit status."""
        with self.lock:
            self.up = False
            self.process.send_signal(how)
            return self.process.wait(60)

    def reload(self, more):
        """Has it read another configuration, if it is there."""
        with self.lock:
            if self.up:
                self.write_config(more)
                self.process.send_signal(signal.SIGHUP)

    def get(self, path, **headers):
        """Status and body, over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers=self.headers | headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()

    def page(self):
        """A page and the generation it is of. Waits while the exporter is down."""
        deadline = time.monotonic() + STARTS_WITHIN
        while True:
            start, generation = time.monotonic(), self.generation
            with contextlib.suppress(OSError):
                status, body = self.get("/metrics")
                if status == 200 and generation == self.generation:
                    return Scrape(body.decode(), start, time.monotonic()), generation
                assert status == 200 or not self.up, f"status {status}"
            if time.monotonic() > deadline:
                raise SystemExit("FAILED: the exporter does not answer")
            time.sleep(0.1)

    def used(self):
        """Descriptors, and KiB of memory."""
        return self.open_files(), self.status("VmRSS")

    def show_log(self):
        log = pathlib.Path(f"/proc/self/fd/{self.log.fileno()}").read_text()
        print(f"the exporter's log ends:\n{log[-4000:]}", flush=True)
