"""races_test.py EXPORTER GUEST: VMs come and go while four scrapers hammer; EXPORTER is built with tsan.

In an emulated host. ThreadSanitizer reports each race it sees and lets the exporter end with 66.
"""

import os
import pathlib
import signal
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from exporter import Exporter
from guests import Guests
from scrapers import check_scrapes, start_scrapers
from verdict import Verdict

PORT = 10188
VMS = 12 if "KVMX_FULL" in os.environ else 6
PROGRAMS = [("cpuid", "--count", 50), ("deadline-halt", "--count", 20, "--rate", 500)]


def main():
    os.environ["TSAN_OPTIONS"] = "second_deadlock_stack=1"
    verdict, guests = Verdict(), Guests(sys.argv[2])
    config = tempfile.NamedTemporaryFile("w", suffix=".yml")
    # Without the sandbox, which is made for the system calls of the exporter alone.
    exporter = Exporter(sys.argv[1], PORT, "--vm.linger=1s", "--no-sandbox", "--bpf.max-vcpus=64",
                        f"--web.config.file={config.name}")
    scrapers = start_scrapers(PORT)
    for number in range(VMS):
        program, *options = PROGRAMS[number % len(PROGRAMS)]
        one = threading.Thread(target=guests.run, args=(f"one-{number}", "--program", program, *options))
        one.start()
        guests.run(f"other-{number}", "--program", program, *options, "--vcpus", 2)
        one.join()
        exporter.get("/")
        exporter.process.send_signal(signal.SIGHUP)
    free = exporter.until(lambda page: page.sum("kvm_exporter_vcpu_slots", state="free") == 64)
    verdict.check(free is not None, "all VMs have ended, and their slots are free")
    check_scrapes(verdict, scrapers)
    status = exporter.stop()
    exporter.log.seek(0)
    reports = exporter.log.read()
    verdict.check(status == 0 and "ThreadSanitizer" not in reports, f"no race; status {status}")
    if status != 0:
        print(reports[-6000:])
    verdict.end()


main()
