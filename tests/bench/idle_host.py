r"""idle_host.py EXPORTER GUEST [--vms N] [--seconds N]: what the exporter takes on a host with nothing to do.

Its start and, with no VM and with idle ones of 2 vCPUs, what it takes a second without scrapes and for each
scrape, and its memory. As root, with the binaries of a build; on this machine in CPU time:

    python3 tests/bench/idle_host.py build/release/exporter/kvm_exit_exporter \
      build/release/tests/guest/kvmx-guest --vms 1000 --seconds 60

In an emulated host whose clock counts instructions, 1 ns each, in these:

    tests/lab/amd.sh --icount --timeout 900 -- python3 tests/bench/idle_host.py \
      build/release/exporter/kvm_exit_exporter build/release/tests/guest/kvmx-guest
"""

import argparse
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from exporter import Exporter  # noqa: E402
from guests import Guests  # noqa: E402

VCPUS = 2
SCRAPES = 5
UNIT = "million instructions" if "LAB_ISA" in os.environ else "ms of CPU time"


def cost(process):
    """All it has taken, its time in the kernel too: in ms, or a million instructions."""
    return sum(int((task / "schedstat").read_text().split()[0])
               for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir()) / 1e6


def measure(exporter, seconds, what):
    process = exporter.process
    exporter.scrape()
    before = cost(process)
    time.sleep(seconds)
    idle = (cost(process) - before) / seconds
    before = cost(process)
    for _ in range(SCRAPES):
        page = exporter.scrape()
    each = (cost(process) - before) / SCRAPES
    series = len(page.samples)
    resident = exporter.status("VmRSS") / 1024
    print(f"{what}: {idle:.2f} {UNIT} a second without scrapes, {each:.2f} a scrape of {series} series,"
          f" {resident:.1f} MiB resident", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("exporter")
    parser.add_argument("guest")
    parser.add_argument("--vms", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=30)
    options = parser.parse_args()
    guests = Guests(options.guest)
    began = time.monotonic()
    exporter = Exporter(options.exporter, 10216)
    exporter.scrape()
    took = time.monotonic() - began
    print(f"start to first page: {took:.2f} s, of which it took {cost(exporter.process):.0f} {UNIT}", flush=True)
    measure(exporter, options.seconds, "no VM")
    for number in range(options.vms):
        guests.start(f"idle-{number}", "--vcpus", VCPUS, "--program", "idle")
    exporter.until(lambda page: page.sum("kvm_vm_vcpus") == options.vms * VCPUS)
    time.sleep(5)
    measure(exporter, options.seconds, f"{options.vms} idle VMs of {VCPUS} vCPUs")


main()
