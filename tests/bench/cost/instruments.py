"""The instruments whose cost is compared. Each is a context manager; it yields a command's prefix.

Some instruments run beside the guest, some start it themselves: for those the prefix is theirs.
"""

import contextlib
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

TESTS = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TESTS / "lib"))
import events  # noqa: E402
import libbpf  # noqa: E402
from exporter import process_status  # noqa: E402

EVENTS = tuple(events.COLLECTORS)
COUNTED = ("kvm_exit", "kvm_msr", "kvm_hv_timer_state")
COLLECTORS = tuple(events.COLLECTORS.values())
PORT = 10179


class CannotRun(Exception):
    """The instrument does not run on this host; says why."""


@contextlib.contextmanager
def bare():
    yield []


def has_no_kvm_btf():
    """Before BTF of modules (5.11) there are tp_btf programs only for a kvm within the kernel."""
    is_module = os.path.exists("/sys/module/kvm/initstate")
    return is_module and not os.path.exists("/sys/kernel/btf/kvm")


@contextlib.contextmanager
def empty(programs, names):
    """A BPF program that does nothing, at each of the events."""
    kind = "tracepoint" if has_no_kvm_btf() else "tp_btf"
    try:
        attached = libbpf.Programs(programs, [f"{event}_{kind}" for event in names])
    except libbpf.Failed as failure:
        raise CannotRun(str(failure)) from None
    try:
        yield []
    finally:
        attached.close()


@contextlib.contextmanager
def ours(exporter, collectors, *flags):
    """The exporter with these collectors only."""
    off = [f"--no-collector.{name}" for name in COLLECTORS if name not in collectors]
    process = subprocess.Popen(
        [exporter, f"--web.listen-address=127.0.0.1:{PORT}", *off, *flags],
        stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}/-/ready", timeout=10).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    process.kill()
                    raise CannotRun(process.stderr.read()) from None
                time.sleep(0.1)
        yield []
    finally:
        process.terminate()
        process.wait(60)


@contextlib.contextmanager
def beside(guest, vcpus, instrument):
    """An instrument on a host with so many other vCPUs, asleep, in VMs of a hundred each."""
    with instrument:
        resource.setrlimit(resource.RLIMIT_NOFILE, (4 * vcpus + 1000,) * 2)
        others = subprocess.Popen([guest, "--program", "idle", "--vms", str(vcpus // 100),
                                   "--vcpus", "100"], stdout=subprocess.DEVNULL)
        try:
            while process_status(others, "Threads") < vcpus:
                time.sleep(1)
                if others.poll() is not None:
                    raise CannotRun(f"the {vcpus} vCPUs ended with status {others.returncode}")
            time.sleep(3)  # until the last of them has run, and sleeps
            yield []
        finally:
            others.terminate()
            others.wait(600)


@contextlib.contextmanager
def profiling_another(exporter, guest):
    """`profile` of a guest that sleeps."""
    sleeper = subprocess.Popen([guest, "--program", "idle"], stdout=subprocess.DEVNULL)
    time.sleep(1)
    process = subprocess.Popen([exporter, "profile", str(sleeper.pid), "--duration=1h"],
                               stdout=subprocess.DEVNULL)
    time.sleep(3)
    if process.poll() is not None:
        raise CannotRun("profile ended")
    try:
        yield []
    finally:
        process.terminate()
        process.wait(60)
        sleeper.terminate()
        sleeper.wait(60)


@contextlib.contextmanager
def command(*words):
    """A program of the system that starts the guest itself."""
    if not shutil.which(words[0]):
        raise CannotRun(f"{words[0]} is not installed")
    with tempfile.TemporaryDirectory() as scratch:
        yield [word.replace("SCRATCH", scratch) for word in words]


def perf_stat(names):
    return ("perf", "stat", "-a", "-o", "SCRATCH/stat",
            *(word for event in names for word in ("-e", f"kvm:{event}")))


def all_instruments(exporter, nothing, guest):
    """Name -> a function that starts the instrument. `nothing`: the object of empty programs."""
    one_liner = "tracepoint:kvm:kvm_exit { @[pid, tid, args->exit_reason] = count(); }"
    return {
        "bare": bare,
        "empty program, kvm_exit": lambda: empty(nothing, ["kvm_exit"]),
        "empty programs, kvm_exit and kvm_entry": lambda: empty(nothing, ["kvm_exit", "kvm_entry"]),
        "empty programs, the counted events": lambda: empty(nothing, COUNTED),
        "empty programs, all our events": lambda: empty(nothing, EVENTS),
        "ours, exits": lambda: ours(exporter, ["exits"]),
        "ours, exits and handling": lambda: ours(exporter, ["exits", "handling"]),
        "ours, exits, MSRs, timers": lambda: ours(exporter, ["exits", "msrs", "timers"]),
        "ours, everything": lambda: ours(exporter, COLLECTORS),
        "bare, 2000 vCPUs asleep": lambda: beside(guest, 2000, bare()),
        "ours, everything, 100 vCPUs asleep":
            lambda: beside(guest, 100, ours(exporter, COLLECTORS)),
        "ours, everything, 2000 vCPUs asleep":
            lambda: beside(guest, 2000, ours(exporter, COLLECTORS)),
        "profile, of this guest":
            lambda: command("python3", str(pathlib.Path(__file__).parent / "profiled.py"), exporter),
        "profile, of another guest": lambda: profiling_another(exporter, guest),
        "perf stat, kvm_exit": lambda: command(*perf_stat(["kvm_exit"])),
        "perf stat, the counted events": lambda: command(*perf_stat(COUNTED)),
        "bpftrace, kvm_exit by thread and reason":
            lambda: command("bpftrace", "-o", "SCRATCH/out", "-e", one_liner, "-c"),
        "perf kvm stat record":
            lambda: command("perf", "kvm", "stat", "record", "-a", "-o", "SCRATCH/data"),
    }
