"""Those who talk to the exporter in a soak: some in good faith, some not."""

import contextlib
import gzip
import random
import signal
import socket
import threading
import time

FORMS = [("/metrics", {}), ("/metrics", {"Accept-Encoding": "gzip"}),
         ("/metrics", {"Accept": "application/openmetrics-text"}), ("/metrics?per_vcpu=none", {}),
         ("/", {}), ("/summary.json", {"Accept-Encoding": "gzip"})]
# What the exporter or the kernel counts anew once the exporter has started again.
STARTS_ANEW = ("kvm_vm_cpu_", "kvm_vcpu_", "kvm_halt_poll_failed_", "kvm_vm_finding_")
COUNTERS = ("_total", "_bucket", "_sum", "_count")


class Worker(threading.Thread):
    """Does one thing again and again until stopped. What it must not see it keeps in `faults`."""

    def __init__(self, pause):
        super().__init__(daemon=True)
        self.pause, self.done, self.faults, self.count = pause, threading.Event(), [], 0

    def run(self):
        try:
            while not self.done.is_set():
                self.step()
                self.done.wait(self.pause)
        except BaseException as error:  # also SystemExit, which would end this thread alone
            self.blame(repr(error))
        finally:
            self.leave()

    def leave(self):
        """What is left to do at the end."""

    def blame(self, fault):
        self.faults.append(fault)
        print(f"{type(self).__name__}: {fault}"[:400], flush=True)

    def stop(self):
        self.done.set()


class Scraper(Worker):
    """Asks in good faith, and is answered whenever the exporter is there."""

    def __init__(self, target, form, pause):
        super().__init__(pause)
        self.target, (self.path, self.headers) = target, form
        self.longest = 0.0

    def step(self):
        generation, began = (self.target.generation, self.target.up), time.monotonic()
        try:
            status, body = self.target.get(self.path, **self.headers)
            if status == 200 and "Accept-Encoding" in self.headers and body[:1] == b"\x1f":
                gzip.decompress(body)
        except (OSError, EOFError) as error:
            status = repr(error)
        if status == 200:
            self.count += 1
            self.longest = max(self.longest, time.monotonic() - began)
        elif generation == (self.target.generation, self.target.up) == (generation[0], True):
            self.blame(f"{self.path} {self.headers}: {status} after {time.monotonic() - began:.1f} s")


class Watcher(Worker):
    """Reads each page strictly: no counter steps back, nothing of a VM vanishes while it is there. Where KVM is
    not `real` a vCPU gets its id from a timer's event, and then what it has done without one counts as its."""

    def __init__(self, target, pause, real):
        super().__init__(pause)
        self.target, self.real = target, real
        self.before, self.generation, self.vms, self.series = {}, 0, set(), 0

    def may_vanish(self, labels):
        """Also, the name of an MSR may give way to a hotter one's."""
        return labels.get("index") or (not self.real and labels.get("vcpu") == "")

    def step(self):
        page, generation = self.target.page()
        now = {(m.name, tuple(sorted(m.labels.items()))): m.value for m in page.samples
               if "vm" in m.labels and m.name.endswith(COUNTERS)}
        vms = {m.labels["vm"] for m in page.samples if m.name == "kvm_vm_info"}
        for key, value in self.before.items():
            (name, labels), labels_now = key, dict(key[1])
            if generation != self.generation and name.startswith(STARTS_ANEW):
                continue
            if key not in now:
                if labels_now["vm"] in vms and not self.may_vanish(labels_now):
                    self.blame(f"{name}{labels} was {value}, is gone")
            elif now[key] < value:
                self.blame(f"{name}{labels} was {value}, is {now[key]}")
        self.before, self.generation = now, generation
        self.vms |= vms
        self.series = max(self.series, len(page.samples))
        self.count += 1


class Bores(Worker):
    """Connections that say nothing, or ask for much and take little: `count` of each."""

    def __init__(self, target, count):
        super().__init__(1.0)
        self.target, self.bores, self.connections = target, count, []

    def connect(self, asks):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(10)
        connection.connect(("127.0.0.1", self.target.port))
        connection.setblocking(False)
        if asks:
            authorization = self.target.headers["Authorization"]
            request = f"GET /metrics HTTP/1.1\r\nHost: a\r\nAuthorization: {authorization}\r\n\r\n"
            with contextlib.suppress(BlockingIOError):
                connection.send(request.encode() * 50)
        self.count += 1
        return connection

    def step(self):
        still = []
        for connection in self.connections:
            try:
                if connection.recv(256) == b"":
                    connection.close()
                    continue
            except BlockingIOError:
                pass
            except OSError:
                connection.close()
                continue
            still.append(connection)
        self.connections = still
        with contextlib.suppress(OSError):  # it may be down
            while len(self.connections) < 2 * self.bores:
                self.connections.append(self.connect(asks=len(self.connections) % 2 == 0))

    def leave(self):
        for connection in self.connections:
            connection.close()


class Noise(Worker):
    """Requests that are none, or almost."""

    def __init__(self, target, pause):
        super().__init__(pause)
        self.target = target

    @staticmethod
    def request():
        good = (b"GET /metrics?collect[]=exits HTTP/1.1\r\nHost: a\r\nAuthorization: Basic c29hazp4\r\n"
                b"Accept-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabcHEAD / HTTP/1.1\r\n\r\n")
        bad = bytearray(good)
        for _ in range(random.randrange(8)):
            bad[random.randrange(len(bad))] = random.randrange(256)
        return random.choice([bytes(bad), bad[:random.randrange(len(bad))], random.randbytes(200),
                              b"A" * 20_000, good * 20])

    def step(self):
        with contextlib.suppress(OSError), socket.socket() as connection:
            connection.settimeout(2)
            connection.connect(("127.0.0.1", self.target.port))
            connection.sendall(self.request())
            self.count += 1
            connection.recv(4096)


class Reloader(Worker):
    """Changes the web configuration, at times to one that is none: then the one before holds."""

    def __init__(self, target, pause):
        super().__init__(pause)
        self.target = target

    def step(self):
        more = random.choice(["", "http_server_config: {headers: {X-Frame-Options: deny}}\n",
                              "rate_limit: {interval: 1ms, burst: 1000}\n", "nonsense: [\n", "[" * 9000])
        self.target.reload(more)
        self.count += 1

    def leave(self):
        self.target.reload("")


class Killer(Worker):
    """Ends the exporter at any time, mostly without a warning, and starts it again, soon or at once."""

    def __init__(self, target, pause):
        super().__init__(pause)
        self.target = target

    def step(self):
        if self.done.wait(self.pause * random.random()):
            return
        how = random.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM])
        status = self.target.end(how)
        self.count += 1
        if how == signal.SIGTERM and status != 0:
            self.blame(f"it ended with {status}")
        time.sleep(random.choice([0, 0, 2]))
        self.target.start()
