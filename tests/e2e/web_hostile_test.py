#!/usr/bin/env python3
"""web_hostile_test.py EXPORTER: what strangers on the network try, and scrapes that do not notice.

On loopback, in about a minute and a half: requests whose end can be read in two ways, targets and
methods out of the ordinary, readers that sip their answers, guessers of passwords, and more
connections than the exporter has descriptors. Beside the last three legitimate scrapes go on, and
each is answered.
"""

import pathlib
import resource
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from verdict import Verdict, has_kvm
from web_client import Certificates, WebExporter, basic, read_answer, users, wait_until

SECONDS = 8
PATIENCE = 12  # seconds that a scrape may take; Prometheus waits for 10 by default


class Attack:
    """Threads that do something again and again until the block ends."""

    def __init__(self, count, act):
        self.done = threading.Event()
        self.threads = [threading.Thread(target=self.loop, args=(act, i)) for i in range(count)]

    def loop(self, act, number):
        while not self.done.is_set():
            try:
                act(number, self.done)
            except OSError:
                self.done.wait(0.02)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        time.sleep(2)
        return self

    def __exit__(self, *_):
        self.done.set()
        for thread in self.threads:
            thread.join()


def scrape_for(exporter, seconds, *headers):
    """Statuses of scrapes, four a second, and the longest that one took."""
    statuses, longest, end = [], 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        try:
            statuses.append(exporter.get("/metrics", *headers).status)
        except OSError as error:
            statuses.append(type(error).__name__)
        longest = max(longest, time.monotonic() - began)
        time.sleep(0.25)
    return statuses, longest


def check_scrapes(verdict, what, statuses, longest):
    wrong = [status for status in statuses if status != 200]
    verdict.check(statuses and not wrong and longest < PATIENCE,
                  f"{what}: {len(statuses)} scrapes, {len(wrong)} not answered {wrong[:3]}, "
                  f"the slowest {longest:.1f} s")


def raw(exporter, text):
    """Status lines of all that comes back, and whether the connection was closed after it. A text gets the line
    ends of HTTP, bytes are sent as they are."""
    with exporter.connect(timeout=5) as connection, connection.makefile("rb") as stream:
        connection.sendall(text if isinstance(text, bytes) else text.replace("\n", "\r\n").encode())
        statuses = []
        try:
            while answer := read_answer(stream):
                statuses.append(answer.status)
        except TimeoutError:
            return statuses, False
        return statuses, True


def check_framing(verdict, exporter):
    inner = "GET /-/healthy HTTP/1.1\nHost: a\n\n"
    for what, headers in [
            ("two lengths that differ", f"Content-Length: 0\nContent-Length: {len(inner) + 3}\n"),
            ("a length and chunks", "Content-Length: 5\nTransfer-Encoding: chunked\n"),
            ("two codings", "Transfer-Encoding: identity\nTransfer-Encoding: chunked\n"),
            ("chunks twice", "Transfer-Encoding: chunked\nTransfer-Encoding: chunked\n"),
            ("the coding identity", "Transfer-Encoding: identity\n"),
            ("a length that is no number", "Content-Length: +0\n"),
            ("more headers than are read", "A: b\n" * 64 + "Content-Length: 35\n")]:
        statuses, closed = raw(exporter, f"GET /-/healthy HTTP/1.1\nHost: a\n{headers}\n{inner}")
        verdict.check(statuses == [400] and closed, f"{what}: {statuses}, closed: {closed}")
    statuses, closed = raw(exporter, "POST /-/healthy HTTP/1.0\nConnection: keep-alive\nTransfer-Encoding: chunked\n\n"
                           f"0\n\n{inner}")
    verdict.check(statuses == [400] and closed, f"chunks in HTTP/1.0: {statuses}, closed: {closed}")
    statuses, _ = raw(exporter, "POST /metrics HTTP/1.1\nHost: a\nContent-Length: 3\n"
                      f"Content-Length: 3\n\nabc{inner}")
    verdict.check(statuses == [405], f"two equal lengths are one: {statuses}")


def check_heads(verdict, exporter):
    """Lines that hide the length after them from who takes them for the end of the head."""
    inner = b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n"
    rest = b"Content-Length: %d\r\n\r\n%b" % (len(inner), inner)
    first = b"GET /-/healthy HTTP/1.1\r\n"
    for what, head in [
            ("a line that goes on", b"Host: a\r\n b\r\n"), ("... at once", b" Host: a\r\n"),
            ("a line without a name", b"Host: a\r\n: x\r\n"), ("a name in Latin 1", b"Host: a\r\n\xe4: x\r\n"),
            ("a space after a name", b"Host : a\r\n"), ("a line without a colon", b"Host: a\r\nx\r\n"),
            ("a carriage return alone", b"Host: a\rX: b\r\n"),
            ("an empty line that ends otherwise than the rest", b"Host: a\n\r\n")]:
        statuses, closed = raw(exporter, first + head + rest)
        verdict.check(statuses == [400] and closed, f"{what}: {statuses}, closed: {closed}")
    for what, request in [("a head of empty lines", b"\r\n\r\n" + inner),
                          ("a request line of two lines", b"GET \r\n" + first[4:] + rest),
                          ("lines without carriage returns", (first + b"Host: a\r\n" + rest).replace(b"\r", b""))]:
        statuses, closed = raw(exporter, request)
        # The last one says what it means, and has a body that nobody reads.
        expected = [200] if what.startswith("lines") else [400]
        verdict.check(statuses == expected and closed, f"{what}: {statuses}, closed: {closed}")
    statuses, closed = raw(exporter, inner + b"\r\n" + inner)
    verdict.check(statuses == [200, 200] and not closed, f"an empty line between two requests: {statuses}")


def check_targets(verdict, exporter):
    end = " HTTP/1.1\nHost: a\nConnection: close\n\n"
    for target, status in [
            ("GET http://kvm-host:10177/-/healthy", 200), ("GET http://[::1]/-/healthy?x=/", 200),
            ("GET HTTPS://somewhere.else:1/-/healthy", 200), ("GET http://host", 200),
            ("GET http://host?collect[]=exits", 200), ("GET http:///x", 400),
            ("GET http://host/nothing", 404), ("OPTIONS *", 405), ("GET *", 404),
            ("GET /metrics%00.html", 404), ("GET /%6detrics", 200), ("GET /a/../metrics", 200),
            ("QUERY /metrics", 405), ("BREW /", 405), ("G(T /metrics", 400),
            ("GET /metrics?exclude[]=exits", 200), ("GET /metrics?exclude[]=disks", 400),
            ("GET /metrics?exclude[]=exits&collect[]=msrs", 400)]:
        statuses, _ = raw(exporter, target + end)
        verdict.check(statuses == [status], f"{target}: {statuses}, expected {status}")
    answer = exporter.ask(b"QUERY /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
    verdict.check(answer.headers.get("allow") == "GET, HEAD", "... with Allow")
    java = exporter.get("/metrics", "Accept: text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2")
    verdict.check(java.headers["content-type"].startswith("text/plain; version=0.0.4"),
                  "text for the Accept that Java's client sends")
    home = exporter.get("/").text()
    verdict.check('href="./metrics"' in home and 'href="/' not in home and "Sandbox: " in home,
                  "the landing page has relative links, and says what the sandbox does")
    version = subprocess.run([exporter.process.args[0], "--version"], capture_output=True, text=True,
                             check=True).stdout
    if has_kvm():
        verdict.check(("by Landlock" in version) == ("by Landlock" in home),
                      "... by Landlock, if the kernel has it")
    else:
        verdict.leave_out("this machine has no /dev/kvm: the sandbox is not entered before it is there")


def sip(exporter):
    """Asks for many answers at once and takes a few bytes now and then."""
    def act(_, done):
        with exporter.ask_for_many(receive_buffer=2048, timeout=2) as connection:
            while not done.wait(0.5):
                try:
                    if not connection.recv(64):
                        return
                except BlockingIOError:
                    pass
    return act


def guess(exporter):
    def act(number, done):
        with exporter.connect(timeout=60) as connection:
            for attempt in range(1000):
                if done.wait(0.01):
                    return
                header = basic("prom", f"wrong{number}-{attempt}-{time.monotonic_ns()}")
                connection.sendall(f"GET /-/healthy HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n".encode())
                if not connection.recv(4096):
                    return
    return act


def hold(exporter):
    def act(_, done):
        with exporter.connect_plain(timeout=2):
            done.wait(60)
    return act


def check_slow_readers(verdict, binary):
    exporter = WebExporter(binary, 10211)
    for readers in (60, 120):
        with Attack(readers, sip(exporter)):
            check_scrapes(verdict, f"beside {readers} readers that sip",
                          *scrape_for(exporter, SECONDS))
    exporter.stop()


def check_guessers(verdict, binary):
    files = Certificates()
    config = files.write("web.yml", users(8, prom="secret", other="known"))
    exporter = WebExporter(binary, 10212, f"--web.config.file={config}")
    verdict.check(exporter.get("/metrics", basic("other", "known")).status == 200,
                  "a password is right, and remembered from now on")
    with Attack(16, guess(exporter)):
        statuses, longest = scrape_for(exporter, SECONDS, basic("other", "known"))
        check_scrapes(verdict, "a remembered password beside 16 guessers", statuses, longest)
        began = time.monotonic()
        status = exporter.get("/metrics", basic("prom", "secret")).status
        verdict.check(status == 200, f"one not seen before gets {status} in "
                      f"{time.monotonic() - began:.1f} s")
        exporter.hang_up_signal()
        verdict.check(wait_until(lambda: exporter.log().count("has been read again") == 1),
                      "the web configuration is read again")
        statuses, longest = scrape_for(exporter, 3, basic("prom", "secret"))
        check_scrapes(verdict, "... and passwords are still remembered", statuses, longest)
    exporter.stop()


def check_descriptors(verdict, binary):
    """Far more connections than descriptors: those that counting needs are kept apart."""
    exporter = WebExporter(binary, 10213)
    resource.prlimit(exporter.process.pid, resource.RLIMIT_NOFILE, (300, 300))
    with Attack(400, hold(exporter)):
        check_scrapes(verdict, "beside 400 idle connections", *scrape_for(exporter, SECONDS))
        files = exporter.open_files()
        verdict.check(files < 200, f"{files} of 300 descriptors are open")
    verdict.check("level=error" not in exporter.log(), "no error of its own")
    exporter.stop()


def check_rate_limit(verdict, binary):
    files = Certificates()
    config = files.write("web.yml", "rate_limit: {interval: 1h, burst: 150}\n")
    exporter = WebExporter(binary, 10214, f"--web.config.file={config}")
    statuses = [exporter.get("/-/healthy").status for _ in range(151)]
    verdict.check(statuses[0] == 200 and statuses[-1] == 429, "rate_limit: a burst, and then 429")
    exporter.hang_up_signal()
    verdict.check(wait_until(lambda: "has been read again" in exporter.log())
                  and exporter.get("/-/healthy").status == 429,
                  "... and a reload does not fill the bucket")
    exporter.stop()


def main():
    verdict = Verdict()
    exporter = WebExporter(sys.argv[1], 10210)
    check_framing(verdict, exporter)
    check_heads(verdict, exporter)
    check_targets(verdict, exporter)
    exporter.stop()
    check_slow_readers(verdict, sys.argv[1])
    check_guessers(verdict, sys.argv[1])
    check_descriptors(verdict, sys.argv[1])
    check_rate_limit(verdict, sys.argv[1])
    verdict.end()


main()
