"""refused_functions_test.py EXPORTER GUEST: a kernel that lets nobody attach to KVM's own functions.

In an emulated host, by sysctl kernel.ftrace_enabled=0. Then which vCPUs there are is found out from exits,
entries and the listing: counting goes on, exactly, and log, metrics and page say how.
"""

import atexit
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from counts import differing, guest_counts
from events import FUNCTIONS
from exporter import Exporter
from guests import Guests
from verdict import Verdict

PORT = 10216
SLOTS = 64
FTRACE = pathlib.Path("/proc/sys/kernel/ftrace_enabled")
SAID = "KVM's own functions cannot be attached to"
ON_PAGE = "not told by this kernel"


def log_of(exporter):
    return pathlib.Path(f"/proc/self/fd/{exporter.log.fileno()}").read_text()


def attached(page):
    """By probe."""
    return {m.labels["probe"]: m.value for m in page.samples if m.name == "kvm_exporter_probe_attached"}


def check_said(verdict, exporter, told):
    """What it says of KVM's functions, which it can attach to if they are `told`."""
    probes = attached(exporter.scrape())
    functions = {probe: value for probe, value in probes.items() if probe in FUNCTIONS}
    verdict.check(functions == dict.fromkeys(FUNCTIONS, told), f"attached to KVM's functions: {functions}")
    verdict.check(all(value == 1 for probe, value in probes.items() if probe not in FUNCTIONS),
                  "attached to all events")
    said, shown = SAID in log_of(exporter), ON_PAGE in exporter.get("/")
    verdict.check(said == shown == (not told), f"the log says so: {said}; the page: {shown}")


def check_guest(verdict, exporter, guests, name, *options):
    vm = guests.hold(name, "--hold-before", "--hold-after", *options)
    report = guests.work(vm)
    want = guest_counts(report["vms"][0])
    page = exporter.until(lambda page: not differing(want, page, name), 60) or exporter.scrape()
    wrong = differing(want, page, name)
    verdict.check(not wrong, f"{name}: each of {len(want)} counts is its own; {want['', 'exits']} exits;"
                  f" the guest's, and those exported, where they differ: {wrong}")
    verdict.check(page.sum("kvm_exporter_events_lost_total") == 0, "none is lost")
    guests.go_on(vm)
    vm.wait()


def main():
    guests, verdict = Guests(sys.argv[2]), Verdict()
    before = FTRACE.read_text()
    atexit.register(FTRACE.write_text, before)
    FTRACE.write_text("0")
    exporter = Exporter(sys.argv[1], PORT, f"--bpf.max-vcpus={SLOTS}", "--vm.linger=1s")
    check_said(verdict, exporter, 0)
    check_guest(verdict, exporter, guests, "cpuid", "--program", "cpuid", "--count", 700, "--vcpus", 2)
    check_guest(verdict, exporter, guests, "halts", "--program", "deadline-halt", "--count", 100, "--rate", 200)
    check_guest(verdict, exporter, guests, "moves", "--program", "pio", "--count", 200, "--vcpus", 2,
                "--swap-threads", 5)
    free = exporter.until(lambda page: page.sum("kvm_exporter_vcpu_slots", state="free") == SLOTS, 60)
    verdict.check(free, "they have ended, and their slots are free")
    verdict.check(exporter.stop() == 0, "it ends well")

    FTRACE.write_text(before)
    exporter = Exporter(sys.argv[1], PORT, f"--bpf.max-vcpus={SLOTS}")
    check_said(verdict, exporter, 1)
    check_guest(verdict, exporter, guests, "told", "--program", "cpuid", "--count", 300)
    exporter.stop()
    verdict.end()


main()
