#!/usr/bin/env python3
"""web_http_test.py EXPORTER: what an HTTP client may ask of the exporter, rightly and wrongly.

Formats, encodings, methods and errors as a client sees them; then requests that are broken in
every way, from a generator with a fixed seed, after which the exporter must be as well as before.
"""

import pathlib
import random
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from verdict import Verdict
from web_client import WebExporter, read_answer

REQUESTS = 1500
SEEDS = [
    b"GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: text/plain;q=0.5,*/*;q=0.1\r\n\r\n",
    b"GET /metrics?collect[]=exits&collect%5B%5D=host HTTP/1.1\r\nHost: a\r\n"
    b"Accept-Encoding: gzip;q=0.3, identity\r\nConnection: keep-alive\r\n\r\n",
    b"HEAD /-/healthy HTTP/1.0\r\n\r\n",
    b"GET http://127.0.0.1/a/../metrics%00?x=%zz HTTP/1.1\r\nAuthorization: Basic YTpi\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"PUT /metrics HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nabcd",
    b"GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nOrigin: b\r\nAccess-Control-Request-Method: GET\r\n\r\n",
]
PIECES = [b"\r\n", b"\0", b"\xff", b":", b" ", b"%", b"HTTP/9.9", b"Host: x\r\n" * 80, b"A" * 9000,
          b"Content-Length: 99999999999999999999\r\n", b"Content-Length: -1\r\n", b"?", b"\n\n"]


def check_content(verdict, exporter):
    text = exporter.get("/metrics")
    verdict.check(text.status == 200
                  and text.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
                  and text.headers["cache-control"] == "no-store"
                  and text.headers["vary"] == "Accept, Accept-Encoding"
                  and "kvm_exporter_build_info" in text.text(), "text 0.0.4 by default")
    om = exporter.get("/metrics", "Accept: application/openmetrics-text;version=1.0.0",
                      "Accept: text/plain;q=0.9", "Accept-Encoding: gzip")
    verdict.check(om.headers["content-type"].startswith("application/openmetrics-text")
                  and om.headers["content-encoding"] == "gzip"
                  and om.text().endswith("# EOF\n"), "OpenMetrics, compressed, when it is preferred")
    plain = exporter.get("/metrics", "Accept-Encoding: gzip;q=0, *;q=0")
    verdict.check("content-encoding" not in plain.headers, "gzip;q=0 is no gzip")
    some = exporter.get("/metrics?collect[]=host").text()
    verdict.check("kvm_host_info" in some and "kvm_vm_" not in some, "?collect[]=host")
    verdict.check(exporter.get("/metrics", method="HEAD").body == b"", "HEAD")
    home = exporter.get("/")
    verdict.check(home.headers["content-type"] == "text/html; charset=utf-8"
                  and "kvm_exit" in home.text(), "the landing page")
    for path, headers, method, status in [
            ("/nothing", [], "GET", 404), ("/metrics/", [], "GET", 404),
            ("/metrics", [], "POST", 405), ("/", [], "OPTIONS", 405), ("/metrics", [], "BREW", 405),
            ("/metrics", ["Accept: application/json"], "GET", 200),
            ("/metrics?collect[]=disks", [], "GET", 400),
            ("/metrics?per_vcpu=none", [], "GET", 200), ("/metrics?per_vcpu=some", [], "GET", 400),
            ("/metrics", ["X: " + "y" * 20000], "GET", 400)]:
        answer = exporter.get(path, *headers, method=method)
        what = f"{method} {path} {''.join(headers)[:30]}"
        verdict.check(answer.status == status, f"{what}: {answer.status}, expected {status}")
    verdict.check(exporter.get("/", method="POST").headers["allow"] == "GET, HEAD", "405 has Allow")


def check_connections(verdict, exporter):
    with exporter.connect() as connection, connection.makefile("rb") as stream:
        connection.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n" * 60)
        verdict.check([read_answer(stream).status for _ in range(60)] == [200] * 60,
                      "sixty requests sent at once are answered one by one")
    answer = exporter.ask(b"GET /metrics HTTP/1.0\r\n\r\n")
    verdict.check(answer.status == 200 and answer.headers["connection"] == "close",
                  "HTTP/1.0, whose connection is closed")
    answer = exporter.ask(b"GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
    verdict.check(answer.status == 200 and answer.headers["connection"] == "close",
                  "a body that nobody reads ends the connection")


def mutate(dice, data):
    data = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data) + 1)
        kind = dice.randrange(4)
        if kind == 0:
            data[at:at] = dice.choice(PIECES)
        elif kind == 1:
            del data[at:at + dice.randint(1, 20)]
        elif kind == 2 and at < len(data):
            data[at] = dice.randrange(256)
        else:
            data = data[:at] + dice.choice(SEEDS)
    return bytes(data)


def check_broken_requests(verdict, exporter):
    """Each on a connection of its own that is closed at once, so nothing is waited for."""
    dice = random.Random(5)
    answers = 0
    for _ in range(REQUESTS):
        with exporter.connect(timeout=20) as connection:
            try:
                connection.sendall(mutate(dice, dice.choice(SEEDS)))
                connection.shutdown(socket.SHUT_WR)
                answers += connection.recv(12).startswith(b"HTTP/1.1 ")
            except OSError:
                pass
    verdict.check(exporter.process.poll() is None and answers > REQUESTS / 4,
                  f"{answers} of {REQUESTS} broken requests had an answer, and it lives")
    verdict.check("level=error" not in exporter.log(), "none of them was an error of its own")


def main():
    verdict = Verdict()
    exporter = WebExporter(sys.argv[1], 10201)
    check_content(verdict, exporter)
    check_connections(verdict, exporter)
    files, memory = exporter.open_files(), exporter.status("VmRSS")
    check_broken_requests(verdict, exporter)
    check_content(verdict, exporter)
    grown = exporter.status("VmRSS") - memory
    verdict.check(grown < 16384 and exporter.open_files() <= files + 4,
                  f"memory has grown by {grown} kB, and no descriptor is left open")
    exporter.stop()
    verdict.check(exporter.process.returncode == 0, "and it ends well")
    verdict.end()


main()
