#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""top_test.py EXPORTER GUEST: kvm_exit_exporter top as people and scripts use it.

On this machine's /dev/kvm, with a guest that ticks while it is idle and a quiet one: printed once, as JSON,
from a running exporter and without one, over TLS with a password, and live in a pseudo-terminal with keys and
a new size. No rate is judged.
"""

import fcntl
import json
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from guests import Guests
from verdict import Verdict, need_kvm
from web_client import Certificates, WebExporter, users, wait_until

QUIET = "quiet \u00fc \u202e<b>"
PORT = 10238
URL = f"--url=http://127.0.0.1:{PORT}"
TICKS = ("--program", "tick-halt", "--count", 0)
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
NO_NETWORK = ("unshare", "--net")  # where no exporter runs
PATIENCE = 60


def top(*flags, prefix=(), before=()):
    return subprocess.run([*prefix, sys.argv[1], *before, "top", *flags], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False)


def names(answer):
    return [guest["vm"] for guest in json.loads(answer.stdout)["guests"]]


def check_once(verdict):
    answer = top(URL)
    lines = answer.stdout.splitlines()
    verdict.check(answer.returncode == 0 and not answer.stderr and "\x1b" not in answer.stdout,
                  f"it prints plain text where there is no terminal {answer.stderr}")
    finding = [line for line in lines if line.startswith("ticks: ") and "tick never stops" in line]
    verdict.check(finding and "First, on the host: " in finding[0], "with the finding as sentences")
    rows = [i for i, line in enumerate(lines) if re.match(r"(ticks|quiet) ", line)]
    verdict.check(len(rows) == 2 and lines[rows[0]].startswith("ticks ") and "2 of 2" in lines[rows[0]],
                  f"and the guests in lines, the one that ticks first {[lines[i] for i in rows]}")
    verdict.check(not re.search("hidden|\u202e", answer.stdout) and "quiet \u00fc ?<b>" in answer.stdout,
                  "what is excluded is not there, nor what turns the direction of writing")
    filtered = top(URL, "--once", "--filter=QUIET", "--sort=name").stdout
    verdict.check("quiet" in filtered and "ticks" not in filtered, "--filter shows some guests alone")


def check_json(verdict):
    remote = top(URL, "--json")
    summary = json.loads(remote.stdout)
    ticks = summary["guests"][0]
    verdict.check(remote.returncode == 0 and names(remote) == ["ticks", QUIET], f"--json has guests {names(remote)}")
    verdict.check(ticks["vcpus"] == 2 and ticks["wakeups_per_second"] > 0 and ticks["findings"]
                  and ticks["findings"][0]["first"].startswith("First, on the host: "),
                  f"with numbers and findings {ticks}")
    counting = summary["host"]["exit_counting"]
    verdict.check((ticks["exits_per_second"] is None) == (counting == "not_raised"),
                  f"exits are null where they are not raised ({counting})")


def check_local(verdict):
    local = top("--local", "--json", before=("--vm.exclude=hidden",))
    verdict.check(local.returncode == 0 and {"ticks", QUIET} <= set(names(local)) and "hidden" not in names(local),
                  f"it counts by itself {local.stderr}")
    verdict.check(all(guest["wakeups_per_second"] is not None for guest in json.loads(local.stdout)["guests"]
                      if guest["vm"] in ("ticks", QUIET)), "and waits until there are rates")
    alone = top("--once", "--filter=ticks", prefix=NO_NETWORK)
    verdict.check(alone.returncode == 0 and re.search(r"^ticks +2 of 2 ", alone.stdout, re.M),
                  f"root needs no flag for it where no exporter runs {alone.stderr}")
    live = LiveTop(140, 30, "--local")
    verdict.check(live.until(lambda t: t.has("^ticks +2 of 2")), "live: it counts by itself")
    confined = {line for status in pathlib.Path(f"/proc/{live.process.pid}/task").glob("*/status")
                for line in status.read_text().splitlines() if re.match("Seccomp:|NoNewPrivs:|CapPrm:", line)}
    # Before Linux 5.19 one capability may be kept.
    allowed = {"Seccomp:\t2", "NoNewPrivs:\t1", "CapPrm:\t0000000000000000", "CapPrm:\t0000008000000000"}
    verdict.check(len(confined) == 3 and confined <= allowed, f"... in the exporter's sandbox: {confined}")
    live.press("q")
    verdict.check(live.end(), "... from which the terminal is as before, too")


def check_errors(verdict, binary):
    for what, answer, says in [
            ("an address where nobody is", top("--url=http://127.0.0.1:9", "--once"), "Is an exporter running there?"),
            ("no root, no exporter", top("--once", prefix=(*NO_NETWORK, *NOBODY)), "or run this as root"),
            ("no root", top("--local", "--once", prefix=NOBODY), "root")]:
        verdict.check(answer.returncode == 1 and says in answer.stderr and not answer.stdout,
                      f"{what}: {answer.returncode} {answer.stderr}")
    files = Certificates()
    files.make("server", san="DNS:localhost")
    tls = "tls_server_config: {cert_file: server.crt, key_file: server.key}\n"
    config = files.write("web.yml", tls + users(4, ops="secret"))
    files.write("password", "secret\n")
    exporter = WebExporter(binary, PORT + 1, f"--web.config.file={config}", tls=files.client())
    url, ca = f"--url=https://localhost:{PORT + 1}", f"--ca-file={files.directory}/ca.crt"
    login = ("--user=ops", f"--password-file={files.directory}/password")
    for what, answer, says in [
            ("a certificate that is not trusted", top(url, "--once"), "is not trusted"),
            ("no password", top(url, ca, "--once"), "--user=NAME --password-file=FILE"),
            ("another host's certificate", top(url.replace("localhost", "127.0.0.1"), ca, "--once", *login),
             "is not trusted"),
            ("HTTP where TLS is spoken", top(url.replace("https", "http"), "--once"), "If it serves TLS")]:
        verdict.check(answer.returncode == 1 and says in answer.stderr and not answer.stdout,
                      f"{what}: {answer.returncode} {answer.stderr}")
    answer = top(url, ca, "--json", *login)
    verdict.check(answer.returncode == 0 and "ticks" in names(answer), f"TLS and a password {answer.stderr}")
    exporter.stop()


class LiveTop:
    """top in a pseudo-terminal, whose screen is read from what it draws."""

    def __init__(self, columns, rows, *flags):
        self.master, slave = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen([sys.argv[1], "top", *flags], stdin=slave, stdout=slave, stderr=slave,
                                        env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8"},
                                        start_new_session=True,  # and its terminal, so that Ctrl-C is a signal
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.slave, self.output, self.lines = slave, "", {}

    def resize(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.size = (columns, rows)
        if hasattr(self, "process"):
            self.process.send_signal(signal.SIGWINCH)

    def press(self, keys):
        os.write(self.master, keys.encode())

    def pump(self, seconds):
        """Takes what is drawn, until the last whole picture."""
        while select.select([self.master], [], [], seconds)[0]:
            try:
                self.output += os.read(self.master, 65536).decode(errors="replace")
            except OSError:
                return
            seconds = 0.05
        drawn = self.output.rfind("\x1b[1;1H", 0, self.output.rfind("\x1b[J"))
        picture = self.output[max(drawn, 0):self.output.rfind("\x1b[J")]
        self.lines = {int(row): re.sub(r"\x1b\[[0-9;]*[a-zA-Z]", "", text)
                      for row, text in re.findall(r"\x1b\[(\d+);1H\x1b\[2K(.*?)(?=\x1b\[\d+;1H|$)", picture, re.S)}

    def until(self, holds):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.pump(0.3)
            if self.lines and holds(self):
                return True
        return False

    def text(self):
        return "\n".join(text for _, text in sorted(self.lines.items()))

    def has(self, pattern):
        return re.search(pattern, self.text(), re.M) is not None

    def fits(self):
        columns, rows = self.size
        return len(self.lines) == rows and all(len(text) <= columns for text in self.lines.values())

    def end(self, seconds=20):
        status = self.process.wait(seconds)
        self.pump(0)
        restored = termios.tcgetattr(self.slave) == self.before
        return status == 0 and restored and self.output.endswith("\x1b[?7h\x1b[?25h\x1b[?1049l")


def check_live(verdict):
    live = LiveTop(140, 30, URL)
    verdict.check(live.until(lambda t: t.has("^ticks: ") and t.has("^ticks +2 of 2") and t.fits()),
                  "live: finding and guests are on the screen")
    live.press("/qui")
    verdict.check(live.until(lambda t: t.has("^filter: qui_") and t.has("^quiet") and not t.has("^ticks")),
                  "live: what is typed filters")
    live.press("\r\x1b")
    verdict.check(live.until(lambda t: t.has("^ticks +2 of 2") and t.has("^q quit")), "live: Esc shows all again")
    live.press(">r")
    verdict.check(live.until(lambda t: t.has("sort: name reversed")
                             and t.text().index("ticks  ") < t.text().index("quiet")), "live: sorted by name, reversed")
    for size in ((60, 12), (200, 50), (30, 5)):
        live.resize(*size)
        verdict.check(live.until(LiveTop.fits), f"live: it fits into {size}")
    live.resize(140, 30)
    live.press("q")
    verdict.check(live.end(), "live: q ends it, and the terminal is as before")
    ended = LiveTop(80, 24, URL)
    ended.until(lambda t: t.has("^q quit"))
    ended.process.send_signal(signal.SIGTERM)
    verdict.check(ended.end(), "live: SIGTERM ends it the same way")


def check_lost_exporter(verdict, exporter):
    live = LiveTop(140, 30, URL)
    live.until(lambda t: t.has("^ticks"))
    exporter.stop()
    verdict.check(live.until(lambda t: t.has("These numbers are old") and t.has("^ticks")),
                  "live: the last numbers stay where the exporter is gone, and it says so")
    live.press("\x03")
    verdict.check(live.end(), "live: Ctrl-C ends it")


def main():
    need_kvm()
    verdict, guests = Verdict(), Guests(sys.argv[2])
    exporter = WebExporter(sys.argv[1], PORT, "--vm.include=ticks|quiet.*|hidden", "--vm.exclude=hidden")
    for name, vcpus, rate in (("ticks", 2, 1000), (QUIET, 1, 14), ("hidden", 1, 1000)):
        guests.start(name, *TICKS, "--vcpus", vcpus, "--rate", rate)
    verdict.check(wait_until(lambda: "<bdi>ticks</bdi></a></strong>" in exporter.get("/").text(), 120),
                  "the exporter has found the guest that ticks")
    check_once(verdict)
    check_json(verdict)
    check_local(verdict)
    check_live(verdict)
    check_errors(verdict, sys.argv[1])
    check_lost_exporter(verdict, exporter)
    verdict.end()


main()
