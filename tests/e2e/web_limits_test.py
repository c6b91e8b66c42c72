#!/usr/bin/env python3
"""web_limits_test.py EXPORTER: slow, stuck and far too many clients, and scrapes that must not notice.

All on loopback, with at most 150 connections at a time, and in under two minutes: clients that
send a header for ever, that say nothing, that open a TLS connection and stop, that ask and do not
read. While they are there, scrapes of others must be answered.
"""

import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from verdict import Verdict
from web_client import Certificates, WebExporter, wait_until

SLOW = 150  # more than the exporter has threads
READERS = 2  # threads that read command lines come and go
PATIENCE = 5  # seconds that a scrape may take on a machine that is busy otherwise


def scrape_all_well(verdict, exporter, what, times=15):
    """Scrapes, each on a connection of its own, are answered and soon."""
    longest, statuses = 0.0, set()
    for _ in range(times):
        began = time.monotonic()
        statuses.add(exporter.get("/metrics").status)
        longest = max(longest, time.monotonic() - began)
        time.sleep(0.05)
    verdict.check(statuses == {200} and longest < PATIENCE,
                  f"{what}: {times} scrapes answered {sorted(statuses)}, the slowest in {longest:.2f} s")


def closed(connection):
    """Whether the other side has ended a connection, or broken it off."""
    connection.settimeout(0)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


class SlowClients:
    """Connections that get a byte of a header now and then, or none at all."""

    def __init__(self, exporter, count, first=b"GET /metrics HTTP/1.1\r\nX: "):
        self.connections = [exporter.connect_plain() for _ in range(count)]
        self.first = first
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.trickle)
        self.thread.start()

    def trickle(self):
        piece = self.first
        while piece and not self.done.wait(0.3):
            for connection in self.connections:
                try:
                    connection.send(piece)
                except OSError:
                    pass  # shut out
            piece = b"x"

    def left(self):
        return sum(not closed(connection) for connection in self.connections)

    def end(self):
        self.done.set()
        self.thread.join()
        for connection in self.connections:
            connection.close()


def check_slow_requests(verdict, exporter, what, first):
    threads, memory = exporter.status("Threads"), exporter.status("VmRSS")
    slow = SlowClients(exporter, SLOW, first)
    scrape_all_well(verdict, exporter, f"{SLOW} clients {what}")
    verdict.check(exporter.status("Threads") <= threads + READERS
                  and exporter.status("VmRSS") - memory < 16384,
                  f"... with {threads} threads and {exporter.status('VmRSS') - memory} kB more")
    slow.thread.join(0)
    verdict.check(wait_until(lambda: slow.left() == 0, 40), "... and in the end none of them is left")
    slow.end()


def stuck_readers(exporter, count):
    """Clients that ask for a hundred pages at once and take none: the exporter cannot go on."""
    return [exporter.ask_for_many(receive_buffer=4096) for _ in range(count)]


def check_stuck_readers(verdict, exporter):
    """With --web.max-requests=2, ten that do not read are more than may be answered at once."""
    readers = stuck_readers(exporter, 10)
    scrape_all_well(verdict, exporter, "ten clients ask for much and read nothing")
    for connection in readers:
        connection.close()


def check_sipping_reader(verdict, exporter):
    """One that asks for very much at once, and takes a little each second."""
    reader = stuck_readers(exporter, 1)[0]

    def ended():
        try:
            return reader.recv(2048) == b""
        except BlockingIOError:
            time.sleep(1)
            return False
        except OSError:
            return True

    verdict.check(wait_until(ended, 60), "who takes thousands of pages by and by is shut out, too")
    verdict.check(wait_until(lambda: exporter.get("/metrics").status == 200), "... and makes room")
    reader.close()


def check_flood(verdict, exporter):
    for _ in range(4):
        flood = [exporter.connect_plain() for _ in range(SLOW)]
        for connection in flood:
            connection.send(b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n")
        for connection in flood:
            connection.close()
    scrape_all_well(verdict, exporter, f"after {4 * SLOW} connections at once", 5)


def main():
    verdict = Verdict()
    certificates = Certificates()
    certificates.make("server")
    config = certificates.write("web.yml",
                                "tls_server_config: {cert_file: server.crt, key_file: server.key}\n")
    exporter = WebExporter(sys.argv[1], 10202, "--web.max-requests=2")
    files = exporter.open_files()
    check_slow_requests(verdict, exporter, "send a header byte by byte",
                        b"GET /metrics HTTP/1.1\r\nX: ")
    check_slow_requests(verdict, exporter, "say nothing", b"")
    check_stuck_readers(verdict, exporter)
    check_sipping_reader(verdict, exporter)
    check_flood(verdict, exporter)
    verdict.check(wait_until(lambda: exporter.open_files() <= files + 2),
                  f"descriptors are as many as before: {exporter.open_files()}, {files}")
    idle = [exporter.connect_plain() for _ in range(10)]
    took = exporter.stop()
    verdict.check(exporter.process.returncode == 0 and took < PATIENCE,
                  f"it ends in {took:.2f} s with {len(idle)} clients connected")

    exporter = WebExporter(sys.argv[1], 10203, f"--web.config.file={config}",
                           tls=certificates.client())
    check_slow_requests(verdict, exporter, "open a TLS connection and say nothing", b"")
    # The beginning of a ClientHello that announces 512 bytes.
    check_slow_requests(verdict, exporter, "stop in the middle of a TLS handshake",
                        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    exporter.stop()
    verdict.end()


main()
