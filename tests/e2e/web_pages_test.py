#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""web_pages_test.py EXPORTER GUEST: what people see of guests in a browser, and what they must not.

On this machine's /dev/kvm: a guest that ticks while it is idle, a quiet one whose name is a page, and
one that --vm.exclude leaves out. No rate is judged.
"""

import html
import pathlib
import re
import sys
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from guests import Guests
from verdict import Verdict, need_kvm
from web_client import Certificates, WebExporter, basic, users, wait_until

NAME = "a&b=<script>alert('\"%41+ #?/../ \u00fc"
TICKS = ("--program", "tick-halt", "--count", 0)


def page_of(label):
    return "/vm?name=" + urllib.parse.quote(label, safe="")


def check_landing_page(verdict, home):
    text = html.escape(NAME).replace("&#x27;", "&#39;")
    verdict.check(f'<a href=".{page_of(NAME)}"><bdi>{text}</bdi></a>' in home and "<script" not in home,
                  "a hostile name is text, and linked")
    verdict.check("hidden" not in home, "an excluded guest is nowhere on the landing page")
    rows = re.findall(r"<tr><td><a .*</tr>", home)
    verdict.check(len(rows) == 2 and "<bdi>ticks</bdi>" in rows[0] and "2 of 2" in rows[0],
                  f"the guest that costs more comes first, with its vCPUs {rows}")
    verdict.check("2 guests make" in home, "the host's sum is of both")


def check_pages_of_guests(verdict, exporter):
    ticks = exporter.get(page_of("ticks"))
    text = ticks.text()
    verdict.check(ticks.status == 200 and ticks.headers["content-type"] == "text/html; charset=utf-8"
                  and ticks.headers["content-security-policy"].startswith("default-src 'none'"),
                  "a page of HTML, from which nothing runs")
    for part in ("<h1><bdi>ticks</bdi></h1>", "IA32_TSC_DEADLINE", "Time between timer programmings",
                 '<span class="bar"', "<td>1</td><td>running</td>", 'href="./"'):
        verdict.check(part in text, f"the page of a guest has {part}")
    hostile = exporter.get(page_of(NAME))
    verdict.check(hostile.status == 200 and "<script" not in hostile.text(), "the page of the hostile name")
    for path, method, status in [
            (page_of("hidden"), "GET", 404), (page_of("nobody"), "GET", 404), ("/vm", "GET", 400),
            ("/vm/", "GET", 404), (page_of("ticks"), "POST", 405), (page_of("ticks"), "HEAD", 200)]:
        answer = exporter.get(path, method=method)
        verdict.check(answer.status == status, f"{method} {path}: {answer.status}, expected {status}")
    for label in ("hidden", "nobody"):
        text = exporter.get(page_of(label)).text()
        verdict.check(f"No guest called <bdi>{label}</bdi> is shown here" in text, f"404 says so of {label}")


def check_passwords(verdict, binary):
    config = Certificates().write("web.yml", users(4, prom="secret"))
    exporter = WebExporter(binary, 10237, f"--web.config.file={config}")
    statuses = [exporter.get(path, *headers).status for path in ("/", page_of("x"))
                for headers in ((), (basic("prom", "secret"),))]
    verdict.check(statuses == [401, 200, 401, 404], f"pages ask for the password, too {statuses}")
    exporter.stop()


def main():
    need_kvm()
    binary, verdict = sys.argv[1], Verdict()
    guests = Guests(sys.argv[2])
    exporter = WebExporter(binary, 10236, "--vm.include=ticks|a&b.*|hidden", "--vm.exclude=hidden")
    verdict.check("No guest has been seen for ten seconds yet." in exporter.get("/").text(),
                  "at first nothing is known")
    for name, vcpus, rate in (("ticks", 2, 1000), (NAME, 1, 14), ("hidden", 1, 1000)):
        guests.start(name, *TICKS, "--vcpus", vcpus, "--rate", rate)
    seen = wait_until(lambda: "<bdi>ticks</bdi></a></strong>" in exporter.get("/").text(), 120)
    verdict.check(seen, "what stands out has the guest that ticks while idle")
    check_landing_page(verdict, exporter.get("/").text())
    check_pages_of_guests(verdict, exporter)
    exporter.stop()
    verdict.check(exporter.process.returncode == 0 and "level=error" not in exporter.log(), "it ends well")
    check_passwords(verdict, binary)
    verdict.end()


main()
