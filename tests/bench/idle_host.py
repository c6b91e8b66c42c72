r"""idle_host.py EXPORTER GUEST: what the exporter itself takes on a host with nothing to do.

In an emulated host whose clock counts instructions, 1 ns each (tests/lab/amd.sh --icount): its start
and, with no VM and with 100 idle ones of 2 vCPUs, its instructions a second without scrapes and for
each scrape, and its memory. As root, with the binaries of a build:

    tests/lab/amd.sh --icount --timeout 900 -- python3 tests/bench/idle_host.py \
      build/release/exporter/kvm_exit_exporter build/release/tests/guest/kvmx-guest
"""

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from exporter import Exporter  # noqa: E402
from guests import Guests  # noqa: E402

VMS, VCPUS = 100, 2
SECONDS = 30
SCRAPES = 5


def instructions(process):
    """All it has executed, its time in the kernel too."""
    return sum(int((task / "schedstat").read_text().split()[0])
               for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir())


def measure(exporter, what):
    process = exporter.process
    exporter.scrape()
    before = instructions(process)
    time.sleep(SECONDS)
    idle = (instructions(process) - before) / SECONDS
    before = instructions(process)
    for _ in range(SCRAPES):
        page = exporter.scrape()
    each = (instructions(process) - before) / SCRAPES
    series = len(page.samples)
    resident = exporter.status("VmRSS") / 1024
    print(f"{what}: {idle / 1e6:.2f} million instructions a second without scrapes, {each / 1e6:.2f}"
          f" million a scrape of {series} series, {resident:.1f} MiB resident", flush=True)


def main():
    guests = Guests(sys.argv[2])
    began = time.monotonic()
    exporter = Exporter(sys.argv[1], 10216)
    exporter.scrape()
    took = time.monotonic() - began
    print(f"start to first page: {took:.2f} s, of which it took"
          f" {instructions(exporter.process) / 1e6:.0f} million instructions", flush=True)
    measure(exporter, "no VM")
    for number in range(VMS):
        guests.start(f"idle-{number}", "--vcpus", VCPUS, "--program", "idle")
    exporter.until(lambda page: page.sum("kvm_vm_vcpus") == VMS * VCPUS)
    time.sleep(5)
    measure(exporter, f"{VMS} idle VMs of {VCPUS} vCPUs")


main()
