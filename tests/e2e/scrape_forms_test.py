#!/usr/bin/env python3
"""scrape_forms_test.py EXPORTER GUEST: each scraper that people use gets a page that it can read.

Requests as these scrapers send them, byte for byte, taken from their sources. Which format and coding they
get is written down here, and python's strict parsers must take every page of text, while a guest with an awkward
name runs, if there is a /dev/kvm. Prometheus, its agent and vmagent themselves are in prometheus_web_test.py.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import protobuf_page
from guests import Guests
from strict_parsers import families, samples
from verdict import Verdict, has_kvm
from web_client import WebExporter, wait_until

OPENMETRICS, TEXT = "application/openmetrics-text", "text/plain"
MESSAGES = "application/vnd.google.protobuf"
PROTOBUF = f"{MESSAGES};proto=io.prometheus.client.MetricFamily;encoding=delimited"
TIMEOUT = "X-Prometheus-Scrape-Timeout-Seconds: 10"
GZIP = "Accept-Encoding: gzip"
# Scraper: (headers in its order, format, compressed). Where the Accept is from, by repository and file:
FORMS = {
    # prometheus/prometheus, scrape/scrape.go
    "Prometheus 2.5 to 2.48": (
        ["User-Agent: Prometheus/2.42.0", f"Accept: {OPENMETRICS};version=1.0.0,{OPENMETRICS};version=0.0.1;q=0.75,"
         f"{TEXT};version=0.0.4;q=0.5,*/*;q=0.1", GZIP, TIMEOUT], OPENMETRICS, True),
    "Prometheus 2.49 to 2.55": (
        ["User-Agent: Prometheus/2.55.1", f"Accept: {OPENMETRICS};version=1.0.0;q=0.5,{OPENMETRICS};version=0.0.1;"
         f"q=0.4,{TEXT};version=0.0.4;q=0.3,*/*;q=0.2", GZIP, TIMEOUT], OPENMETRICS, True),
    "Prometheus 2 with native histograms": (
        ["User-Agent: Prometheus/2.55.1", f"Accept: {PROTOBUF};q=0.5,{OPENMETRICS};version=1.0.0;q=0.4,"
         f"{OPENMETRICS};version=0.0.1;q=0.3,{TEXT};version=0.0.4;q=0.2,*/*;q=0.1", GZIP, TIMEOUT],
        MESSAGES, True),
    "Prometheus 3": (
        ["User-Agent: Prometheus/3.1.0", f"Accept: {OPENMETRICS};version=1.0.0;escaping=allow-utf-8;q=0.6,"
         f"{OPENMETRICS};version=0.0.1;q=0.5,{TEXT};version=1.0.0;escaping=allow-utf-8;q=0.4,"
         f"{TEXT};version=0.0.4;q=0.3,*/*;q=0.2", GZIP, TIMEOUT], OPENMETRICS, True),
    "Prometheus without compression": (
        ["User-Agent: Prometheus/3.1.0", f"Accept: {TEXT};version=0.0.4;q=0.6,*/*;q=0.5",
         "Accept-Encoding: identity", TIMEOUT], TEXT, False),
    # open-telemetry/opentelemetry-collector-contrib, receiver/prometheusreceiver/metrics_receiver.go: scrapes
    # by Prometheus' own library, under its own name
    "OpenTelemetry collector": (
        ["User-Agent: otelcol-contrib/0.112.0", f"Accept: {OPENMETRICS};version=1.0.0;q=0.5,{OPENMETRICS};"
         f"version=0.0.1;q=0.4,{TEXT};version=0.0.4;q=0.3,*/*;q=0.2", GZIP, TIMEOUT], OPENMETRICS, True),
    # influxdata/telegraf, plugins/inputs/prometheus/prometheus.go; keep-alive is off. Go asks for gzip itself.
    "Telegraf": (
        ["User-Agent: Telegraf/1.30.0 Go/1.22.2", f"Accept: {PROTOBUF};q=0.7,{TEXT};version=0.0.4;q=0.3",
         GZIP, "Connection: close"], MESSAGES, True),
    "Telegraf up to 1.20": (
        ["User-Agent: Go-http-client/1.1", f"Accept: {PROTOBUF};q=0.7,{TEXT};version=0.0.4;q=0.3,*/*;q=0.1",
         GZIP, "Connection: close"], MESSAGES, True),
    # VictoriaMetrics/VictoriaMetrics, lib/promscrape/client.go
    "vmagent": (
        ["User-Agent: vm_promscrape", f"Accept: {TEXT};version=0.0.4;q=1,*/*;q=0.1", TIMEOUT.replace("10", "10.000"),
         GZIP], TEXT, True),
    "curl": (["User-Agent: curl/7.88.1", "Accept: */*"], TEXT, False),
}


def ask(exporter, headers):
    lines = ["GET /metrics HTTP/1.1", f"Host: 127.0.0.1:{exporter.port}", *headers]
    return exporter.ask(("\r\n".join(lines) + "\r\n\r\n").encode())


def check_form(verdict, exporter, scraper, form):
    """The series of its page."""
    headers, media_type, compressed = form
    answer = ask(exporter, headers)
    got = answer.headers["content-type"], answer.headers.get("content-encoding", "identity")
    verdict.check(answer.status == 200 and got[0].startswith(media_type + ";")
                  and got[1] == ("gzip" if compressed else "identity"), f"{scraper} gets {got}")
    if media_type == MESSAGES:
        return set(protobuf_page.samples(answer.content()))
    return set(samples(families(answer.text(), media_type)))


def main():
    verdict, exporter = Verdict(), WebExporter(sys.argv[1], 10220, "--vm.linger=1h")
    if has_kvm():
        guests = Guests(sys.argv[2])
        guest = guests.hold('quoted "ü" \\n,{}=', "--hold-before", "--hold-after", "--program", "random-msr",
                            "--count", 300, "--deadlines", 40)
        guests.work(guest)
        verdict.check(wait_until(lambda: "kvm_msr_accesses_total{" in exporter.get("/metrics").text(), 60),
                      "a guest is on the page")
    else:
        verdict.leave_out("this machine has no /dev/kvm that we may use: pages without a guest")
    pages = {scraper: check_form(verdict, exporter, scraper, form) for scraper, form in FORMS.items()}
    # Values of two scrapes differ. Of all formats the same series are wanted.
    union, common = set.union(*pages.values()), set.intersection(*pages.values())
    verdict.check(union == common and len(common) > (50 if has_kvm() else 20), f"strict parsers find the same {len(common)} series "
                  f"in all, but for {sorted(union - common)[:5]}")
    exporter.stop()
    verdict.end()


main()
