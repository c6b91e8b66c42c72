#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""scenarios.py: many scenarios in one emulated host, each with a result of its own

    scenarios.py run PLAN OUT [NAME...]              boot the host, run all scenarios or these
    scenarios.py result OUT NAME [CHECK COMMAND...]  print a scenario's log, exit with its status

A plan's first line gives amd.sh's options, its second the guest program; each other line is a
scenario: NAME, TIMEOUT in the host's seconds, COMMAND. Words are quoted as in a shell. `run` leaves
in OUT a NAME.log and a NAME.status of each scenario, host.log and host.status, what the scenarios
wrote to $LAB_OUT in files/, and the console. It exits with 0 once every scenario has a result; whether
that is a good one says `result`, which CHECK COMMAND may then put to a further test.

A scenario has its status, or
  124  if it took longer than its timeout,
  125  if the host's kernel panicked or hung in it, or a guest was shut down (KVM_EXIT_SHUTDOWN):
       faults of an emulator rather than wrong counts. The guests that the scenario had run are then
       run again without it, and so without an exporter, and the log says how that ended. The
       scenario has failed all the same. After a panic the other scenarios get a new host.
A host that hangs, as the emulator does now and then with a Linux guest in it, is booted anew, and the
scenario is run again, once, which the log says.
Inside, the same file runs as `scenarios.py inside PLAN NAME...` and `scenarios.py control PLAN NAME`.
"""

import contextlib
import math
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
MARK = "\x1e"  # begins the lines by which the host tells where a scenario begins and ends
LIFE = f"{MARK}alive\n"
LATE, EMULATOR_FAILED = 124, 125
STOPPED = (130, 143)  # amd.sh was interrupted
BOOTS = 3  # at most, beside those of hosts that hung
CONTROL_SECONDS = 240
# A host hangs that uses so many seconds of our CPUs without a sign of life, of which it gives one a second by its own
# clock (13 s is the most that was seen), or that is so many seconds later with a scenario's end than its timeout, by
# our clock.
SILENT_CPU_SECONDS = int(os.environ.get("KVMX_LAB_SILENT_CPU_SECONDS", "45"))
HANGS_AFTER = int(os.environ.get("KVMX_LAB_HANGS_AFTER", "300"))
GUEST_RECORDER = HERE / "recorded-guest.sh"


class Plan:
    """A plan file."""

    def __init__(self, path):
        self.path = pathlib.Path(path).resolve()
        lines = [shlex.split(line) for line in self.path.read_text().splitlines() if line.strip()]
        self.lab_options, (self.guest,) = lines[0][1:], lines[1][1:]
        self.scenarios = {name: (int(seconds), command) for name, seconds, *command in lines[2:]}


# Inside the host.

def user_processes():
    """All but the kernel's own threads, which have no executable."""
    found = set()
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                os.readlink(entry / "exe")
                found.add(int(entry.name))
    return found


def kill_new(before):
    """Ends what a scenario has left running; says what it was."""
    deadline, left = time.monotonic() + 5, []
    while (new := user_processes() - before) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in new:
        with contextlib.suppress(OSError):
            left.append(pathlib.Path(f"/proc/{pid}/comm").read_text().strip())
            os.kill(pid, signal.SIGKILL)
    return [f"process {comm}" for comm in left]


def remove_leftovers(before):
    """Makes the host as it was before a scenario; says what had to be removed."""
    left = kill_new(before)
    for instance in pathlib.Path("/sys/kernel/tracing/instances").glob("kvmx-*"):
        left.append(f"tracing instance {instance.name}")
        for trigger in instance.glob("events/kvm/*/trigger"):
            for line in trigger.read_text().splitlines():
                if line.startswith("hist"):
                    with contextlib.suppress(OSError):
                        trigger.write_text("!" + line.removesuffix(" [active]"))
        with contextlib.suppress(OSError):
            instance.rmdir()
    for pins in pathlib.Path("/sys/fs/bpf").glob("kvmx-*"):
        left.append(f"pins in {pins}")
        shutil.rmtree(pins, ignore_errors=True)
    if not pathlib.Path("/sys/module/kvm_amd").exists():
        left.append("a host without kvm_amd")
        subprocess.run(["modprobe", "kvm_amd"], check=True)
    ftrace = pathlib.Path("/proc/sys/kernel/ftrace_enabled")
    if ftrace.exists() and ftrace.read_text().strip() == "0":
        left.append("a kernel without ftrace")
        ftrace.write_text("1")
    if "hidepid" in pathlib.Path("/proc/mounts").read_text():
        left.append("a /proc that hides processes")
        subprocess.run(["mount", "-o", "remount,hidepid=0", "/proc"], check=True)
    return left


def run_one(plan, name):
    """Status and seconds."""
    seconds, command = plan.scenarios[name]
    command = [str(GUEST_RECORDER) if word == plan.guest else word for word in command]
    environment = os.environ | {"KVMX_GUEST": plan.guest, "PYTHONDONTWRITEBYTECODE": "1",
                                "KVMX_GUEST_LOG": f"{os.environ['LAB_OUT']}/{name}.guests"}
    before, began = user_processes(), time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment,
                               start_new_session=True)
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        print(f"FAILED: still running after {seconds} s", flush=True)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        status = LATE
    took = time.monotonic() - began
    left = remove_leftovers(before)
    if left and status == 0:
        print(f"FAILED: it left behind: {left}", flush=True)
        status = 1
    if status not in (0, 77):
        subprocess.run("dmesg | tail -n 15", shell=True, check=False)
    return status, took


def show_life():
    while True:
        print(LIFE, end="", flush=True)
        time.sleep(1)


def inside(plan, names):
    threading.Thread(target=show_life, daemon=True).start()
    for name in names:
        print(f"{MARK}begin {name}", flush=True)
        status, took = run_one(plan, name)
        print(f"{MARK}end {name} {status} {took:.1f}", flush=True)


def control(plan, name):
    """The guests of a scenario once more, each as long after the first as then, without the rest."""
    lines = pathlib.Path(os.environ["LAB_OUT"], f"{name}.guests").read_text().splitlines()
    starts = [(float(line.split()[0]), shlex.split(line)[1:]) for line in lines]
    go_on, running, shut_down = "\n" * 1000, [], 0
    began = time.monotonic()
    for at, words in starts:
        time.sleep(max(began + at - starts[0][0] - time.monotonic(), 0))
        stdin = subprocess.Popen(["printf", "%s", go_on], stdout=subprocess.PIPE).stdout
        running.append(subprocess.Popen([plan.guest, *words], stdin=stdin, text=True,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))
        running[-1].words = words
    deadline = time.monotonic() + 30
    for guest in running:
        try:
            said = guest.communicate(timeout=max(deadline - time.monotonic(), 0.1))[1]
        except subprocess.TimeoutExpired:
            guest.terminate()
            said = guest.communicate()[1]
        shut_down += "KVM_EXIT_SHUTDOWN" in said
    print(f"{len(starts)} guests without an exporter: {shut_down} were shut down", flush=True)


# Outside of it.

def cpu_seconds(pid):
    """What a process and its children have used."""
    seconds = 0.0
    with contextlib.suppress(OSError):
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        seconds = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
        for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            seconds += cpu_seconds(int(child))
    return seconds


class Results:
    """What `run` leaves."""

    def __init__(self, out):
        self.out = pathlib.Path(out)

    def log(self, name):
        return self.out / f"{name}.log"

    def set_status(self, name, status, took=""):
        (self.out / f"{name}.status").write_text(f"{status} {took}\n")

    def status(self, name):
        path = self.out / f"{name}.status"
        return int(path.read_text().split()[0]) if path.exists() else None


class Watchdog:
    """Ends a host that hangs in a scenario."""

    def __init__(self, host):
        self.host, self.deadline, self.used, self.barked = host, math.inf, 0.0, ""
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        while self.host.poll() is None and not self.barked:
            time.sleep(1)
            silent = cpu_seconds(self.host.pid) - self.used
            if time.monotonic() > self.deadline:
                self.barked = f"was {HANGS_AFTER} s late"
            elif silent > SILENT_CPU_SECONDS and self.deadline < math.inf:
                self.barked = f"gave no sign of life for {silent:.0f} s of CPU time"
        if self.barked:
            self.host.terminate()

    def hear(self):
        self.used = cpu_seconds(self.host.pid)

    def start(self, seconds):
        self.deadline = time.monotonic() + seconds + HANGS_AFTER

    def stop(self):
        self.deadline = math.inf


def boot(plan, results, mode, names, limit, again=()):
    """One host's life; its status. Results of scenarios are written as they come. One of `again` in which
    the host hangs has no result then."""
    command = [HERE / "amd.sh", *plan.lab_options, *limit, "--out", results.out / "files", "--console",
               results.out / "console", "--", "/usr/bin/python3", "-u", __file__, mode, plan.path, *names]
    current, log, began, used = "", results.log("host").open("a"), 0.0, 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True,
                          errors="replace") as host:
        watchdog = Watchdog(host)
        for line in host.stdout:
            if LIFE in line:  # it may come in the middle of another
                watchdog.hear()
                line = line.replace(LIFE, "")
            if line.startswith(f"{MARK}begin "):
                current, began, used = line.split()[1], time.monotonic(), cpu_seconds(host.pid)
                output = results.log(current).open("w")
                watchdog.start(plan.scenarios[current][0])
            elif line.startswith(f"{MARK}end "):
                _, name, status, took = line.split()
                watchdog.stop()
                output.close()
                finish(results, name, int(status), took,
                       f"{time.monotonic() - began:.1f} s here, {cpu_seconds(host.pid) - used:.1f} s CPU")
                current = ""
            else:
                (output if current else log).write(line)
                (output if current else log).flush()
    watchdog.stop()
    if watchdog.barked:
        log.write(f"lab: the host hung in {current}, it {watchdog.barked}, and was ended\n")
    log.close()
    if watchdog.barked and current in again:
        output.close()
        results.log(current).rename(results.log(f"{current}.hung"))
        print(f"HUNG     {current}: after {time.monotonic() - began:.1f} s here, it {watchdog.barked};"
              " it is run again", flush=True)
        return 0
    if current:
        output.write("FAILED: the emulated host did not outlive this scenario:\n"
                     + results.log("host").read_text()[-6000:])
        output.close()
        finish(results, current, EMULATOR_FAILED, "?", f"{time.monotonic() - began:.1f} s here")
    return EMULATOR_FAILED if watchdog.barked else host.returncode


def finish(results, name, status, took, here):
    log = results.log(name)
    if status not in (0, 77) and "KVM_EXIT_SHUTDOWN" in log.read_text():
        status = EMULATOR_FAILED
        with log.open("a") as file:
            file.write("FAILED: a guest was shut down (KVM_EXIT_SHUTDOWN), so nothing is proven\n")
    results.set_status(name, status, took)
    word = {0: "ok", 77: "skipped", LATE: "LATE", EMULATOR_FAILED: "EMULATOR"}.get(status, "FAILED")
    print(f"{word:8} {name}: {took} s of the host's, {here}", flush=True)


def run_control(plan, results, name):
    """Without the exporter, do the guests of a scenario bring the host down, too?"""
    if not (results.out / "files" / f"{name}.guests").exists():
        said = "no guest had been started; nothing to compare with"
    else:
        status = boot(plan, results, "control", [name], ["--timeout", str(CONTROL_SECONDS)])
        said = ("the host failed here, too: the emulator's fault" if status == EMULATOR_FAILED else
                results.log("host").read_text().splitlines()[-1])
    with results.log(name).open("a") as file:
        file.write(f"control run: {said}\n")


def run(plan, out, names):
    results, names = Results(out), names or list(plan.scenarios)
    shutil.rmtree(results.out, ignore_errors=True)
    (results.out / "files").mkdir(parents=True)
    began, statuses, hung = time.monotonic(), [], set()
    while (left := [name for name in names if results.status(name) is None]) and len(statuses) < BOOTS + len(hung):
        statuses.append(boot(plan, results, "inside", left, [], set(names) - hung))
        hung_now = {name for name in names if results.log(f"{name}.hung").exists()} - hung
        hung |= hung_now
        # It came to nothing, or somebody ended it.
        if statuses[-1] in STOPPED or not hung_now and all(results.status(name) is None for name in left):
            break
    for name in names if statuses[-1] not in STOPPED else ():
        if results.status(name) == EMULATOR_FAILED:
            run_control(plan, results, name)
            break
    bad = [status for status in statuses if status]
    results.set_status("host", bad[0] if bad else 0)
    good = sum(results.status(name) in (0, 77) for name in names)
    print(f"{good} of {len(names)} scenarios passed in {time.monotonic() - began:.0f} s;"
          f" the host's status {statuses}, logs in {results.out}")
    print(results.log("host").read_text()[-4000:] if bad else "", end="")


def result(out, name, check):
    results = Results(out)
    status = results.status(name)
    if status is None:
        host = results.log("host")
        print(f"FAILED: {name} was not run; the emulated host said:")
        print(host.read_text()[-6000:] if host.exists() else f"nothing: no {host}")
        return 1
    print(results.log(name).read_text() if results.log(name).exists() else "")
    return status or (subprocess.run(check, check=False).returncode if check else 0)


def main():
    match sys.argv[1:]:
        case ["run", plan, out, *names]:
            run(Plan(plan), out, names)
        case ["result", out, name, *check]:
            sys.exit(result(out, name, check))
        case ["inside", plan, *names]:
            inside(Plan(plan), names)
        case ["control", plan, name]:
            control(Plan(plan), name)
        case _:
            sys.exit(__doc__)


main()
