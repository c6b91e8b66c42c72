#!/usr/bin/env python3
"""sandbox_test.py EXPORTER GUEST PROBE: the sandbox is in force in the programs as they run, as root.

PROBE is preloaded. Once the exporter says that it is in its sandbox, its main thread and one of those that serve try
what they must not: root's files, other processes, the network, programs. So does `top --local` as it prints, and where
exits can be counted `profile`. Without a sandbox the same attempts succeed.
"""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from exporter import PATIENCE, Exporter
from guests import Guests
from verdict import Verdict, need_kvm, skip

PORT = 10178
TRIES = ["open", "write", "create", "unlink", "kill", "tgkill", "socket", "connect", "execve", "bpf"]


def environment(probe, port, pid):
    return {"LD_PRELOAD": probe, "PROBE_PORT": str(port), "PROBE_PID": str(pid)}


def probed(log, who):
    """What a thread's attempts came to, by their names."""
    return dict(re.findall(rf"^probe: {who} (\w+) (\w+)$", log, re.M))


def check_refused(verdict, log, who, has_landlock):
    got = probed(log, who)
    expected = dict.fromkeys(TRIES, "EPERM") | {"open": "EACCES" if has_landlock else "done"}
    verdict.check(got == expected, f"{who}: {got}")


def probe_exporter(binary, variables, *flags):
    """The log of an exporter in which both threads have tried."""
    words = [f"{name}={value}" for name, value in variables.items()]
    exporter = Exporter(binary, PORT, *flags, prefix=("env", *words))
    deadline = time.monotonic() + PATIENCE
    settled = "Sandbox: none" if "--no-sandbox" in flags else "system calls filtered"
    while settled not in exporter.get("/") and time.monotonic() < deadline:
        time.sleep(0.2)
    exporter.process.send_signal(signal.SIGUSR1)

    def log():
        return pathlib.Path(f"/proc/self/fd/{exporter.log.fileno()}").read_text()
    while not all(len(probed(log(), who)) == len(TRIES) for who in ("main", "other")):
        if time.monotonic() > deadline:
            break
        exporter.get("/-/healthy")
        time.sleep(0.2)
    exporter.stop()
    return log()


def check_late_listers(verdict, binary, guests, probe):
    """What lists VMs cannot be loaded at first: it is tried again, and the sandbox waits for it."""
    held = guests.hold("never-ran", "--hold-before", "--program", "cpuid", "--count", 1)
    exporter = Exporter(binary, PORT, prefix=("env", f"LD_PRELOAD={probe}", "PROBE_NO_ITERATORS=3"))
    begun = "not entered yet" in exporter.get("/")
    page = exporter.until(lambda page: page.sum("kvm_vm_vcpus", vm="never-ran") == 1)
    verdict.check(begun and page, "a VM that never runs is listed although that could not be loaded at first")
    exporter.log.seek(0)
    log = exporter.log.read()
    verdict.check(log.count("trying again") == 2 and log.count("no longer is it so") == 2, "... and the log tells")
    exporter.until(lambda _: "system calls filtered" in exporter.get("/"))
    verdict.check("system calls filtered" in exporter.get("/"), "... and then the sandbox is entered")
    exporter.stop()
    held.kill()


def main():
    need_kvm()
    binary, guest, probe = sys.argv[1:]
    if os.geteuid() != 0:
        skip("this is about root")
    verdict, guests = Verdict(), Guests(guest)
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    has_landlock = "by Landlock" in version
    verdict.check(has_landlock or "any file of root can be read" in version,
                  f"--version says what protects files: Landlock: {has_landlock}")
    listener = socket.create_server(("127.0.0.1", 0))
    sleeper = subprocess.Popen(["sleep", "1000"])
    variables = environment(probe, listener.getsockname()[1], sleeper.pid)
    try:
        log = probe_exporter(binary, variables, "--no-sandbox")
        for who in ("main", "other"):
            done = {name for name, result in probed(log, who).items() if result == "done"}
            verdict.check(done >= {"open", "write", "kill", "tgkill", "socket"}, f"{who}, without a sandbox: {done}")
        log = probe_exporter(binary, variables)
        for who in ("main", "other"):
            check_refused(verdict, log, who, has_landlock)

        def run(*command):
            done = subprocess.run([binary, *command], capture_output=True, text=True, check=False, timeout=PATIENCE,
                                  env=os.environ | variables | {"PROBE_AT_WRITE": "1"})
            verdict.check(done.returncode == 0 and done.stdout, f"{command[0]} prints: {done.returncode}")
            check_refused(verdict, done.stderr, "print", has_landlock)
        run("top", "--local", "--json")
        if "LAB_ISA" in os.environ:  # elsewhere there may be no exits
            guests.start("probed", "--program", "deadline-halt", "--rate", 20, "--count", 0)
            time.sleep(2)
            run("profile", "probed", "--duration=1s", "--symbols=/etc/hostname")
        check_late_listers(verdict, binary, guests, probe)
    finally:
        sleeper.kill()
        sleeper.wait()
        pathlib.Path("/tmp/kvmx-probe").unlink(missing_ok=True)
    verdict.end()


main()
