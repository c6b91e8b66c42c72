"""privileges_test.py EXPORTER GUEST: what it takes to attach, and what is left of that afterwards.

In an emulated host, as an ordinary user: with the documented capabilities the exporter attaches,
then holds none in any thread (before Linux 5.19: CAP_BPF), and goes on counting, freeing slots of
VMs that ended and finding new ones. With fewer it says what is missing; and so where /proc hides
VMs' processes.
"""

import os
import pathlib
import platform
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from exporter import Exporter
from guests import Guests
from verdict import Verdict

NEEDED = {"5.10": ["bpf", "sys_admin", "sys_resource", "dac_read_search"]}.get(
    os.environ["LAB_KERNEL"], ["sys_admin"])
TOO_FEW = [["bpf", "perfmon"], []]
CAP_BPF = 1 << 39
KEPT = CAP_BPF if os.environ["LAB_KERNEL"] == "5.10" else 0


def as_nobody(capabilities):
    listed = ",".join(["-all"] + [f"+{name}" for name in capabilities])
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", f"--inh-caps={listed}",
            f"--ambient-caps={listed}", f"--bounding-set={listed}"]


def threads(pid):
    """For each thread: its capabilities, all sets joined, and the state of its sandbox."""
    for status in pathlib.Path(f"/proc/{pid}/task").glob("*/status"):
        fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
        held = [int(fields[f"Cap{each}"], 16) for each in ("Inh", "Prm", "Eff", "Amb")]
        yield held[0] | held[1] | held[2] | held[3], fields["NoNewPrivs"], fields["Seccomp"]


def eventually(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def counted(exporter, guests, name, exits):
    guests.run(name, "--program", "cpuid", "--count", exits)
    return exporter.scrape().sum("kvm_exits_total", vm=name, reason="cpuid") == exits


def free_slots(exporter):
    return exporter.scrape().sum("kvm_exporter_vcpu_slots", state="free")


def check_hidden_proc(verdict, binary, guests):
    """/proc that shows nobody else's processes, and then does to the exporter's group."""
    for group, named in (0, False), (65534, True):
        subprocess.run(["mount", "-o", f"remount,hidepid=2,gid={group}", "/proc"], check=True)
        exporter = Exporter(binary, 10199, prefix=as_nobody(NEEDED))
        guest = guests.hold("hidden", "--hold-before", "--hold-after", "--program", "cpuid", "--count", 99)
        guests.go_on(guest)
        page = exporter.until(lambda page: page.sum("kvm_exits_total", reason="cpuid") == 99)
        vms = {m.labels["vm"] for m in page.samples if m.name == "kvm_exits_total"}
        verdict.check(vms == {"hidden" if named else f"qemu-system-x86-{guest.pid}"},
                      f"hidepid, gid={group}: a VM is called {vms}")
        guests.go_on(guest)
        exporter.stop()
        exporter.log.seek(0)
        verdict.check(("(hidepid)" in exporter.log.read()) is not named, "a warning says why, or there is none")
    subprocess.run(["mount", "-o", "remount,hidepid=0", "/proc"], check=True)


def main():
    binary, guest = sys.argv[1:]
    verdict, guests = Verdict(), Guests(guest)
    print(f"Linux {platform.release()}")
    for capabilities in TOO_FEW:
        refused = subprocess.run([*as_nobody(capabilities), binary, "--web.listen-address=127.0.0.1:10198"],
                                 stderr=subprocess.PIPE, text=True, timeout=120)
        verdict.check(refused.returncode == 1 and "CAP_SYS_ADMIN" in refused.stderr,
                      f"with {capabilities or 'no capability'} it says what is missing")

    exporter = Exporter(binary, 10199, "--vm.linger=6s", "--bpf.max-vcpus=64", prefix=as_nobody(NEEDED))
    pid = exporter.process.pid
    done = eventually(lambda: all(held == KEPT and no_new == "1" and seccomp == "2"
                                  for held, no_new, seccomp in threads(pid)))
    verdict.check(done, f"with {NEEDED} it attaches; then its {len(list(threads(pid)))} threads hold"
                  f" {'CAP_BPF alone' if KEPT else 'no capability'} and are confined")
    if not done:
        print(list(threads(pid)))
    verdict.check(counted(exporter, guests, "first", 321), "it counts exactly")
    verdict.check(exporter.scrape().sum("process_open_fds") > 5, "it can look at itself")
    verdict.check(eventually(lambda: free_slots(exporter) == 64), "slots of a VM that ended are freed")
    verdict.check(counted(exporter, guests, "second", 123), "a new VM is counted exactly")
    verdict.check(exporter.stop() == 0, "it ends well")
    exporter.log.seek(0)
    complaints = [line for line in exporter.log if "level=info" not in line]
    verdict.check(not complaints, f"it has nothing to complain of {''.join(complaints)}")
    check_hidden_proc(verdict, binary, guests)
    verdict.end()


main()
